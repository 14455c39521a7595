import { join } from "node:path";

/** True inside the compiled binary, where the program is its own runtime. */
const isCompiled = import.meta.path.startsWith("/$bunfs/");

/**
 * The argv that starts this same nl again. From source the configuration is named, so that nothing
 * in the current directory is loaded (FACTS, Bun).
 */
export function selfCommand(...words: readonly string[]): readonly string[] {
  if (isCompiled) return [process.execPath, ...words];
  const root = join(import.meta.dir, "..", "..");
  return [
    process.execPath,
    `--config=${join(root, "bunfig.toml")}`,
    "--no-env-file",
    join(root, "cmd", "nl.ts"),
    ...words,
  ];
}
