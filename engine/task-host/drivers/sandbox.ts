import { fchownSync } from "node:fs";
import type { Result } from "../../lib/result.ts";
import type { DriverStatus } from "../../platform/task-host.ts";
import type { TaskLaunch } from "../task-driver.ts";

/**
 * How one kind of process sandbox is entered. The process driver does everything that all of them
 * share: limits, pipes, signals, exit codes.
 */
export interface Sandbox {
  readonly name: DriverStatus["name"];
  /** What is to be said about it beside "works": what it does not protect from. */
  readonly caveat: string;
  /** Processes between the one that nl starts and the task's main process. */
  readonly depth: number;
  /** Limits that hold without cgroups. */
  readonly ownLimits: readonly string[];
  /** Programs it needs; the driver says which one is missing. */
  readonly programs: readonly string[];
  enter(launch: TaskLaunch): Result<SandboxEntry, string>;
}

export type SandboxEntry = {
  /** Becomes the sandbox and then runs `main` in it. */
  readonly argv: readonly string[];
  /** Open files that the argv refers to as 4, 5, …; closed after the start. */
  readonly fds: readonly number[];
  readonly cwd: string;
  /** Of the argv itself. Trusted: where nl is root, it is root's environment outside the sandbox. */
  readonly env: Readonly<Record<string, string>>;
};

export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The user that tasks run as when nl is root: nobody. */
const TASK_UID = 65534;

export const STATUS_FD = 3;
export const FIRST_SANDBOX_FD = 4;

/**
 * The innermost step: says by its process id that the sandbox stands, then becomes the command.
 * A command that is missing ends with 127, one that cannot be executed with 126, as in a shell.
 */
export const mainProgram = (command: readonly string[], before = ""): readonly string[] => [
  "/bin/sh",
  "-c",
  `${before}echo $$ >&${STATUS_FD}; exec ${STATUS_FD}>&-; exec "$@"`,
  "nl",
  ...command,
];

/** Ends with its parent, the task host; where nl is root, gives that up for good before all else. */
export function dropPrivileges(): readonly string[] {
  const isRoot = process.getuid?.() === 0;
  const ids = [`--reuid=${TASK_UID}`, `--regid=${TASK_UID}`, "--clear-groups"];
  return ["setpriv", "--pdeathsig=KILL", ...(isRoot ? ids : [])];
}

/** The innermost limit on processes, for machines without cgroups: shells spell it differently. */
export const limitProcesses = (count: number): string =>
  `ulimit -u ${count} 2>/dev/null || ulimit -p ${count} 2>/dev/null; `;

/** An open file that the task's user has to open again by its `/proc/self/fd` name. */
export function giveToTask(fd: number): void {
  if (process.getuid?.() === 0) fchownSync(fd, TASK_UID, TASK_UID);
}

/** What tells the processes of one attempt from all others on this machine. */
export const marksOf = (env: Readonly<Record<string, string>>): readonly string[] =>
  ["NL_JOB_ID", "NL_ATTEMPT", "NL_FENCE"].map((name) => `${name}=${env[name] ?? ""}`);
