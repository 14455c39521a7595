import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clientDirectory } from "./cluster-file.ts";

const fileOf = (root: string): string => join(clientDirectory(root), "leader");

/** Best effort: the next command asks it first, and needs neither a hop nor a second connection. */
export function rememberLeader(root: string, address: string): void {
  const path = fileOf(root);
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, address, { mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    // A full or foreign disk: then any node is asked first.
  }
}

/** The addresses, and first of them the one that led when this machine last heard of it. */
export function leaderFirst(root: string, addresses: readonly string[]): readonly string[] {
  const leader = lastLeader(root);
  if (!addresses.includes(leader)) return addresses;
  return [leader, ...addresses.filter((address) => address !== leader)];
}

function lastLeader(root: string): string {
  try {
    return readFileSync(fileOf(root), "utf8");
  } catch {
    return "";
  }
}
