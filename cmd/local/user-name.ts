import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import type { World } from "../world.ts";

/** The login name, reduced to what may stand in a certificate. */
export const certificateUser = (env: World["env"]): string =>
  safeName(loginNames(env).find(isName) ?? `uid-${process.getuid?.() ?? 0}`);

/** Lower case letters, digits, dot, dash, underscore; at most 60; "user" when nothing is left. */
export function safeName(name: string): string {
  const safe = name
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-")
    .slice(0, LENGTH_MAX)
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
  return safe === "" ? "user" : safe;
}

const LENGTH_MAX = 60;

/** An empty environment makes the runtime answer "unknown". */
const isName = (name: string): boolean => name !== "" && name !== "unknown";

function loginNames(env: World["env"]): readonly string[] {
  return [fromSystem(), env["USER"] ?? "", env["LOGNAME"] ?? "", fromPasswordFile()];
}

function fromSystem(): string {
  try {
    return userInfo().username;
  } catch {
    return ""; // A uid without an entry in the password file.
  }
}

function fromPasswordFile(): string {
  try {
    const uid = String(process.getuid?.() ?? "");
    const lines = readFileSync("/etc/passwd", "utf8").split("\n");
    return lines.find((line) => line.split(":")[2] === uid)?.split(":")[0] ?? "";
  } catch {
    return ""; // No such file here.
  }
}
