import { chmodSync, copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Builds `alpine:latest` from Debian's static busybox, FROM scratch: the machines that test nl
 * cannot pull images. Does nothing when an image of that name is there. Needs the daemon.
 */
const IMAGE = "alpine:latest";
const BUSYBOX = "/bin/busybox";

if (hasImage()) {
  console.log(`${IMAGE} is there`);
} else {
  const context = mkdtempSync(join(tmpdir(), "nl-image-"));
  try {
    writeContext(context);
    run(["docker", "build", "--quiet", "--tag", IMAGE, context]);
    console.log(`built ${IMAGE} from ${BUSYBOX}`);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

function hasImage(): boolean {
  return Bun.spawnSync(["docker", "image", "inspect", IMAGE]).exitCode === 0;
}

/**
 * The applets are linked first and the binary is copied last: `busybox --list` contains `busybox`
 * itself, and a link over the binary would leave an image in which nothing runs. The tree is
 * copied as a whole: only then its folders, /tmp among them, keep their modes.
 */
function writeContext(context: string): void {
  const root = join(context, "root");
  const bin = join(root, "bin");
  run(["mkdir", "-p", bin, join(root, "tmp"), join(root, "etc")]);
  chmodSync(join(root, "tmp"), 0o1777);
  for (const applet of run([BUSYBOX, "--list"]).trim().split("\n")) {
    if (applet !== "busybox") symlinkSync("busybox", join(bin, applet));
  }
  copyFileSync(BUSYBOX, join(bin, "busybox"));
  chmodSync(join(bin, "busybox"), 0o755);
  writeFileSync(join(root, "etc", "passwd"), "root:x:0:0:root:/:/bin/sh\n");
  const dockerfile = ["FROM scratch", "COPY root /", "ENV PATH=/bin", 'CMD ["/bin/sh"]', ""];
  writeFileSync(join(context, "Dockerfile"), dockerfile.join("\n"));
}

function run(argv: readonly string[]): string {
  // The old builder needs no plugin of the CLI.
  const env = { ...process.env, DOCKER_BUILDKIT: "0" };
  const { stdout, stderr, exitCode } = Bun.spawnSync([...argv], { env });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")} failed: ${stderr}`);
  return stdout.toString();
}
