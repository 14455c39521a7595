import { readdirSync, readFileSync } from "node:fs";

/** The command lines of every process on this machine, arguments parted by blanks. */
export function commandLines(): readonly string[] {
  const lines: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      lines.push(readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim());
    } catch {
      // It has ended meanwhile.
    }
  }
  return lines;
}
