import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ok } from "../../lib/result.ts";
import { mainProgram, type Sandbox, SYSTEM_PATH } from "./sandbox.ts";

/**
 * No sandbox: a process group of nl's own user, in a folder of the task. Only where configuration
 * allows it (DESIGN, Drivers).
 */
export function plainSandbox(): Sandbox {
  return {
    name: "plain",
    caveat: "no isolation: tasks run as nl's own user, with its files and its network",
    depth: 0,
    ownLimits: [],
    programs: ["setpriv"],
    enter(launch) {
      const cwd = join(launch.folder, "work");
      mkdirSync(cwd, { recursive: true, mode: 0o700 });
      return ok({
        argv: ["setpriv", "--pdeathsig=KILL", ...mainProgram(launch.spec.command)],
        fds: [],
        cwd,
        env: { PATH: SYSTEM_PATH, HOME: cwd, ...launch.env },
      });
    },
  };
}
