import { chmodSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriverChoice } from "../lib/job-spec.ts";
import { afterMillis } from "./after-millis.ts";
import { DriverLadder } from "./driver-ladder.ts";
import { bubblewrapSandbox } from "./drivers/bubblewrap.ts";
import { Cgroups } from "./drivers/cgroups.ts";
import { DockerDriver } from "./drivers/docker.ts";
import { leaveParentCgroup, removeOwnCgroup } from "./drivers/own-cgroup.ts";
import { plainSandbox } from "./drivers/plain.ts";
import { ProcessDriver } from "./drivers/process-driver.ts";
import { unshareSandbox } from "./drivers/unshare.ts";
import { hostKeyOf } from "./host-key.ts";
import { type HostLock, lockFolder } from "./host-lock.ts";
import { Journal } from "./journal.ts";
import { LeaseFile } from "./lease-file.ts";
import { outputRoom } from "./output-room.ts";
import { socketAddress, socketFile } from "./socket-path.ts";
import { removeHostFile, writeHostFile } from "./task-host-file.ts";
import { TaskHostServer } from "./task-host-server.ts";
import { Tasks } from "./tasks.ts";

export type TaskHostOptions = {
  /** Holds the tasks' files, the journal and the socket; made when it is not there. */
  readonly directory: string;
  readonly nodeId: string;
  readonly driver: DriverChoice;
  readonly plainAllowed: boolean;
  /** With less room on its disk, new output is not kept. */
  readonly minFreeBytes: number;
  readonly version: string;
  /** Without tasks and without an agent the host ends itself after this. */
  readonly idleMillis?: number;
};

const IDLE_MILLIS = 60_000;
/** Of tasks that are running when the host is told to end: SIGTERM gives at most this. */
const SIGNAL_GRACE_MILLIS = 10_000;

const COLLECT_AFTER_MILLIS = 1000;

const EXIT_DONE = 0;
const EXIT_DAMAGED = 74;
/** Another host serves the folder: what the caller wanted is the case. */
const EXIT_HELD = 0;

/** Serves one folder until it is told to end or nobody needs it. Resolves to the exit code. */
export async function runTaskHost(options: TaskHostOptions): Promise<number> {
  // Nothing here is for others to read; tasks get the usual mask back.
  process.umask(0o077);
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const folder = realpathSync(options.directory);
  const lock = lockFolder(folder);
  if (!lock.ok) return EXIT_HELD;
  const journal = await Journal.open(join(folder, "tasks.journal"));
  if (!journal.ok) {
    console.error(journal.error.detail);
    return EXIT_DAMAGED;
  }
  return serve({ options, folder, lock: lock.value, journal: journal.value });
}

type Serving = {
  readonly options: TaskHostOptions;
  readonly folder: string;
  readonly lock: HostLock;
  readonly journal: Journal;
};

async function serve({ options, folder, lock, journal }: Serving): Promise<number> {
  const hostKey = hostKeyOf(folder);
  const cgroups = Cgroups.open(hostKey);
  leaveParentCgroup(hostKey);
  const ladder = ladderOf(options, { folder, hostKey, cgroups });
  const leaseFile = new LeaseFile(join(folder, "lease.json"));
  const hasRoom = outputRoom(folder, options.minFreeBytes);
  const tasks = new Tasks({ folder, journal, ladder, leaseFile, hasRoom });
  tasks.recover();
  collectWhenIdle(tasks);
  const { ended, end } = ending();
  const idle = new IdleEnd(options.idleMillis ?? IDLE_MILLIS, () => tasks.liveCount === 0, end);
  const server = new TaskHostServer({
    version: options.version,
    nodeId: options.nodeId,
    tasks,
    drivers: () => ladder.statuses(),
    onAgents: (count) => idle.onAgents(count),
    onShutdown: end,
  });
  onSignals((graceMillis) => void tasks.stopAll(graceMillis).then(end));
  const address = socketAddress(folder);
  // The lock is ours: a socket that is there belongs to a host that was killed.
  rmSync(socketFile(folder), { force: true });
  await server.listen(address);
  chmodSync(socketFile(folder), 0o600);
  writeHostFile(folder);
  await ended;
  idle.stop();
  server.stop();
  address.close();
  rmSync(socketFile(folder), { force: true });
  removeHostFile(folder);
  await journal.close();
  removeOwnCgroup(hostKey);
  lock.release();
  return EXIT_DONE;
}

type Place = {
  readonly folder: string;
  readonly hostKey: string;
  readonly cgroups: Cgroups | null;
};

function ladderOf(options: TaskHostOptions, { folder, hostKey, cgroups }: Place): DriverLadder {
  const sandboxes = [bubblewrapSandbox(folder), unshareSandbox(), plainSandbox()];
  const processDrivers = sandboxes.map(
    (sandbox) => new ProcessDriver({ sandbox, cgroups, hostFolder: folder }),
  );
  const policy = { choice: options.driver, plainAllowed: options.plainAllowed };
  return new DriverLadder([new DockerDriver(hostKey), ...processDrivers], policy);
}

/** What the last tasks left in memory goes at once: a host without tasks is to be small. */
function collectWhenIdle(tasks: Tasks): void {
  let cancel: () => void = () => undefined;
  tasks.listen(({ phase }) => {
    cancel();
    if (phase !== "exited" || tasks.liveCount > 0) return;
    cancel = afterMillis(COLLECT_AFTER_MILLIS, () => Bun.gc(true));
  });
}

function ending(): { readonly ended: Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { ended: promise, end: resolve };
}

/**
 * The host has no terminal: what ends one must not end it, and a stop ends its tasks first. A
 * second one gives them no more time.
 */
function onSignals(stop: (graceMillis: number) => void): void {
  process.on("SIGHUP", () => undefined);
  process.on("SIGINT", () => undefined);
  process.on("SIGPIPE", () => undefined);
  let graceMillis = SIGNAL_GRACE_MILLIS;
  process.on("SIGTERM", () => {
    stop(graceMillis);
    graceMillis = 0;
  });
}

/** Ends a host that nobody needs: no agent for a while, and no task that runs. */
class IdleEnd {
  readonly #millis: number;
  readonly #isIdle: () => boolean;
  readonly #end: () => void;
  #cancel: () => void = () => undefined;

  constructor(millis: number, isIdle: () => boolean, end: () => void) {
    this.#millis = millis;
    this.#isIdle = isIdle;
    this.#end = end;
    this.#wait();
  }

  onAgents(count: number): void {
    this.#cancel();
    if (count === 0) this.#wait();
  }

  stop(): void {
    this.#cancel();
  }

  #wait(): void {
    this.#cancel = afterMillis(this.#millis, () => (this.#isIdle() ? this.#end() : this.#wait()));
  }
}
