import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Format, lint, types, dead code, generated code: everything that needs no run. */

const root = join(import.meta.dir, "..");
const bin = (name: string) => join(root, "node_modules/.bin", name);
const bun = process.execPath;

type Check = { readonly name: string; readonly run: () => string };

const checks: readonly Check[] = [
  { name: "format and lint", run: () => output([bun, "--bun", bin("biome"), "check", "."]) },
  { name: "types", run: () => output([bun, "--bun", bin("tsc"), "--noEmit"]) },
  { name: "dead code", run: () => output([bun, "--bun", bin("knip"), "--no-progress"]) },
  { name: "generated code is current", run: generatedIsCurrent },
  { name: "the lock file names no host", run: lockNamesNoHost },
];

let failed = 0;
for (const { name, run } of checks) {
  const started = performance.now();
  const problem = run();
  const millis = Math.round(performance.now() - started);
  console.log(`${problem === "" ? "✓" : "✗"} ${name} (${millis} ms)`);
  if (problem !== "") {
    failed += 1;
    console.log(problem);
  }
}
process.exit(failed === 0 ? 0 : 1);

/** Empty when the command succeeded, else what it printed. */
function output(command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd: root });
  return exitCode === 0 ? "" : `${stdout}${stderr}`.trim() || `exit ${exitCode}`;
}

function generatedIsCurrent(): string {
  const fresh = mkdtempSync(join(tmpdir(), "nl-generate-"));
  try {
    cpSync(join(root, "proto"), join(fresh, "proto"), { recursive: true });
    rmSync(join(fresh, "proto/gen"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(fresh, "node_modules"));
    const generated = Bun.spawnSync([bin("buf"), "generate"], { cwd: join(fresh, "proto") });
    if (generated.exitCode !== 0) return generated.stderr.toString();
    const same = output(["diff", "-r", join(root, "proto/gen"), join(fresh, "proto/gen")]);
    return same === "" ? "" : `${same}\nproto/gen is not what proto/nl says: bun run generate`;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function lockNamesNoHost(): string {
  const { stdout } = Bun.spawnSync(["grep", "-n", "http", join(root, "bun.lock")]);
  const lines = stdout.toString().trim();
  return lines === "" ? "" : `bun.lock names a host: resolve it on the default registry\n${lines}`;
}
