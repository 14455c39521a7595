import { join } from "node:path";

/** Regenerates what is generated and checked in: proto/gen from proto/nl. */

const root = join(import.meta.dir, "..");

const buf = Bun.spawnSync([join(root, "node_modules/.bin/buf"), "generate"], {
  cwd: join(root, "proto"),
  stdout: "inherit",
  stderr: "inherit",
});
process.exit(buf.exitCode);
