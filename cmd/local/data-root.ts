import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { World } from "../world.ts";

/** Where the local cluster lives: --data, NL_DATA_DIR, the XDG data folder, the home, /var/lib. */
export function dataRoot(flag: string | null, env: World["env"]): string {
  const named = flag ?? env["NL_DATA_DIR"];
  if (named !== undefined && named !== null && named !== "") return resolve(named);
  const xdg = env["XDG_DATA_HOME"];
  if (xdg !== undefined && xdg !== "") return join(xdg, "nl", "dev");
  const home = env["HOME"];
  if (home !== undefined && home !== "" && existsSync(home)) {
    return join(home, ".local", "share", "nl", "dev");
  }
  return process.getuid?.() === 0 ? "/var/lib/nl/dev" : "/tmp/nl-dev";
}

/** The same path, shortened for people. */
export function forPeople(path: string, env: World["env"]): string {
  const home = env["HOME"];
  return home !== undefined && home !== "" && path.startsWith(`${home}/`)
    ? `~${path.slice(home.length)}`
    : path;
}
