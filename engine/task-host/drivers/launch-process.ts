import { closeSync } from "node:fs";
import { err, ok, type Result } from "../../lib/result.ts";
import { createPipe } from "../libc.ts";
import type { RunningTask, StartFailure, TaskExit, TaskLaunch } from "../task-driver.ts";
import type { TaskCgroup } from "./cgroups.ts";
import { signalNumber, signalOf } from "./exit-signal.ts";
import { ProcessTree } from "./process-tree.ts";
import { type PipeReader, readPipe } from "./read-pipe.ts";
import { giveToTask, marksOf, type Sandbox, type SandboxEntry } from "./sandbox.ts";

/** What a sandbox that could not be entered said about it, at most. */
const COMPLAINT_BYTES_MAX = 2000;

/** For the last output of a task whose processes are gone: only a pipe held elsewhere takes long. */
const DRAIN_MILLIS = 5000;

type Start = {
  readonly sandbox: Sandbox;
  readonly launch: TaskLaunch;
  readonly cgroup: TaskCgroup | null;
};

/**
 * Starts a sandbox and the task's command in it. Resolves when the command is about to run: what
 * was written until then is the sandbox's own complaint and no output.
 */
export async function launchProcess(start: Start): Promise<Result<RunningTask, StartFailure>> {
  const entry = start.sandbox.enter(start.launch);
  if (!entry.ok) return err({ kind: "not-started", detail: entry.error });
  const spawned = spawn(entry.value, start);
  if (!spawned.ok) {
    await start.cgroup?.remove();
    return spawned;
  }
  const mainPid = await spawned.value.mainPid;
  if (mainPid !== null) return ok(runningTask(start, spawned.value, mainPid));
  await spawned.value.child.exited;
  await spawned.value.outputEnded();
  await start.cgroup?.remove();
  const complaint = spawned.value.complaint();
  const detail = `the ${start.sandbox.name} sandbox could not be entered: ${complaint}`;
  return err({ kind: "not-started", detail });
}

type Spawned = {
  readonly child: Bun.Subprocess;
  /** The command's process id as it sees itself; null when the sandbox was not entered. */
  readonly mainPid: Promise<number | null>;
  readonly complaint: () => string;
  readonly outputEnded: () => Promise<void>;
};

function spawn(entry: SandboxEntry, start: Start): Result<Spawned, StartFailure> {
  const [stdout, stderr, status] = [taskPipe(), taskPipe(), createPipe()];
  const given = [stdout.writeFd, stderr.writeFd, status.writeFd, ...entry.fds];
  try {
    const child = Bun.spawn([...limited(entry.argv, start.cgroup)], {
      cwd: entry.cwd,
      env: entry.env,
      stdio: ["ignore", stdout.writeFd, stderr.writeFd, status.writeFd, ...entry.fds],
      detached: true,
    });
    return ok(watch(child, [stdout.readFd, stderr.readFd, status.readFd], start.launch));
  } catch (error) {
    for (const { readFd } of [stdout, stderr, status]) closeSync(readFd);
    return err({ kind: "not-started", detail: `the task's process: ${String(error)}` });
  } finally {
    for (const fd of given) closeSync(fd);
  }
}

/** The task may open it anew, as `/dev/stderr`: then its user matters. */
function taskPipe(): ReturnType<typeof createPipe> {
  const pipe = createPipe();
  giveToTask(pipe.writeFd);
  return pipe;
}

/** Joins its cgroups before anything else, so that nothing the task does is outside of them. */
function limited(argv: readonly string[], cgroup: TaskCgroup | null): readonly string[] {
  const join = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; ';
  // Where memory is short, the kernel is to end tasks before it ends nl.
  const first = "echo 500 >/proc/self/oom_score_adj 2>/dev/null; ";
  const script = `${join}${first}umask 022; ulimit -c 0; ulimit -n 1024 2>/dev/null; exec "$@"`;
  return ["/bin/sh", "-c", script, "nl", ...(cgroup?.joinFiles ?? []), "--", ...argv];
}

function watch(
  child: Bun.Subprocess,
  [stdoutFd, stderrFd, statusFd]: readonly [number, number, number],
  { onOutput }: TaskLaunch,
): Spawned {
  const early = new EarlyStderr((bytes) => onOutput("stderr", bytes));
  const mainPid = readStatus(statusFd);
  const stdout = readPipe(stdoutFd, (bytes) => onOutput("stdout", bytes));
  const stderr = readPipe(stderrFd, (bytes) => early.write(bytes));
  return {
    child,
    mainPid: mainPid.then((pid) => {
      if (pid !== null) early.release();
      return pid;
    }),
    complaint: () => early.text() || `it ended with code ${child.exitCode}`,
    outputEnded: () => drained([stdout, stderr]),
  };
}

/** The one line that the innermost step writes; null when the pipe ends without it. */
function readStatus(fd: number): Promise<number | null> {
  let told = "";
  return new Promise((resolve) => {
    const reader = readPipe(fd, (bytes) => {
      told += Buffer.from(bytes).toString("latin1");
      if (told.endsWith("\n")) resolve(Number.parseInt(told, 10));
    });
    void reader.ended.then(() => resolve(null));
  });
}

/**
 * The sandbox and the command write to the same pipe, and what it says may be read before the
 * news that the command runs: so it is held until that is known.
 */
class EarlyStderr {
  readonly #output: (bytes: Uint8Array) => void;
  #held: Uint8Array[] | null = [];

  constructor(output: (bytes: Uint8Array) => void) {
    this.#output = output;
  }

  write(bytes: Uint8Array): void {
    if (this.#held === null) this.#output(bytes);
    else this.#held.push(bytes);
  }

  release(): void {
    for (const bytes of this.#held ?? []) this.#output(bytes);
    this.#held = null;
  }

  text(): string {
    return Buffer.concat(this.#held ?? [])
      .toString()
      .slice(0, COMPLAINT_BYTES_MAX)
      .trim();
  }
}

async function drained(readers: readonly PipeReader[]): Promise<void> {
  const cancel = setTimeout(() => {
    for (const reader of readers) reader.cancel();
  }, DRAIN_MILLIS);
  await Promise.all(readers.map(({ ended }) => ended));
  clearTimeout(cancel);
}

function runningTask(start: Start, spawned: Spawned, mainPid: number): RunningTask {
  const { sandbox, launch, cgroup } = start;
  const tree = new ProcessTree({
    rootPid: spawned.child.pid,
    mainPid,
    isNamespace: sandbox.depth > 0,
    marks: marksOf(launch.env),
    cgroup,
  });
  const exited = async (): Promise<TaskExit> => {
    await spawned.child.exited;
    await tree.killRest();
    await spawned.outputEnded();
    const exit = exitOf(spawned.child, cgroup);
    void cgroup?.remove();
    return exit;
  };
  return {
    pid: spawned.child.pid,
    exited: exited(),
    outputAtLeast: false,
    terminate: async () => tree.terminate(),
    kill: async () => tree.kill(),
  };
}

function exitOf(child: Bun.Subprocess, cgroup: TaskCgroup | null): TaskExit {
  const usage = cgroup?.usage() ?? { oomKills: 0, peakMemoryBytes: 0 };
  const signal = String(child.signalCode ?? signalOf(child.exitCode ?? 0));
  const exitCode = child.exitCode ?? 128 + signalNumber(signal);
  return {
    exitCode,
    signal,
    // A program that survives the end of one of its children has not been killed.
    oomKilled: usage.oomKills > 0 && exitCode !== 0,
    peakMemoryBytes: usage.peakMemoryBytes || (child.resourceUsage()?.maxRSS ?? 0),
    lostDetail: "",
  };
}
