import type Dockerode from "dockerode";
import type { AttemptId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type {
  BeforeAdoption,
  DriverProbe,
  RunningTask,
  StartFailure,
  TaskDriver,
  TaskLaunch,
} from "../task-driver.ts";
import { dockerAddress } from "./docker-address.ts";
import { adoptContainer } from "./docker-adoption.ts";
import { containerName, containerOptions, DEFAULT_IMAGE, weakened } from "./docker-container.ts";
import {
  isAlreadySo,
  isNotFound,
  missingImage,
  noAnswer,
  startFailure,
  statusOf,
} from "./docker-failure.ts";
import { readStream } from "./docker-stream.ts";
import { containerTask } from "./docker-task.ts";
import { Slots } from "./slots.ts";

/** The daemon gets no faster beyond this (FACTS, Docker). */
const CONCURRENT_STARTS_MAX = 4;
const PROBE_MILLIS = 3000;
const CLEANUP_PAUSE_MILLIS = 1000;
const CONFLICT = 409;

type Gate = { readonly mayStart: () => boolean; readonly signal: AbortSignal };

/**
 * Runs tasks as containers: they live with the daemon, so they outlive the host and are adopted
 * by the next one. Never pulls an image.
 */
export class DockerDriver implements TaskDriver {
  readonly name = "docker";
  /** Tells this host's containers from those of other nodes on the same machine. */
  readonly #hostKey: string;
  readonly #slots = new Slots(CONCURRENT_STARTS_MAX);
  /** The containers of tasks that were not removed yet. */
  readonly #names = new Map<AttemptId, string>();
  #docker: Dockerode | null = null;

  constructor(hostKey: string) {
    this.#hostKey = hostKey;
  }

  async probe(): Promise<DriverProbe> {
    const connected = await this.#connect();
    if (!connected.ok) return unusable(connected.error);
    const docker = connected.value;
    try {
      await within(PROBE_MILLIS, docker.ping());
      const hasImage = await within(PROBE_MILLIS, imageExists(docker));
      const status = { name: this.name, usable: true, limits: ["memory", "cpu", "pids"] } as const;
      const detail = hasImage ? "" : missingImage(DEFAULT_IMAGE);
      return { status: { ...status, detail }, runsUnnamed: hasImage };
    } catch (error) {
      return unusable(noAnswer(error));
    }
  }

  async start(launch: TaskLaunch, gate: Gate): Promise<Result<RunningTask, StartFailure>> {
    const connected = await this.#connect();
    if (!connected.ok) return err({ kind: "no-docker", detail: connected.error });
    return this.#slots.run(() => this.#startNow(connected.value, launch, gate));
  }

  async adopt(launch: TaskLaunch, before: BeforeAdoption): Promise<RunningTask | null> {
    const connected = await this.#connect();
    if (!connected.ok) throw new Error(connected.error);
    const name = containerName(launch);
    this.#names.set(launch.attemptId, name);
    return adoptContainer({ container: connected.value.getContainer(name), launch, before });
  }

  async remove(attemptId: AttemptId): Promise<void> {
    const name = this.#names.get(attemptId);
    if (this.#docker === null || name === undefined) return;
    await discard(this.#docker.getContainer(name));
    this.#names.delete(attemptId);
  }

  async sweep(isKnown: (attemptId: AttemptId) => boolean): Promise<void> {
    const connected = await this.#connect();
    if (!connected.ok) return;
    const filters = { label: [`nl.host=${this.#hostKey}`] };
    const containers = await connected.value.listContainers({ all: true, filters });
    for (const { Id: id, Labels: labels } of containers) {
      if (!isKnown((labels["nl.attempt"] ?? "") as AttemptId))
        await discard(connected.value.getContainer(id));
    }
  }

  async #startNow(
    docker: Dockerode,
    launch: TaskLaunch,
    gate: Gate,
  ): Promise<Result<RunningTask, StartFailure>> {
    if (gate.signal.aborted) return aborted();
    const name = containerName(launch);
    this.#names.set(launch.attemptId, name);
    try {
      const container = await docker.createContainer({
        ...containerOptions(this.#hostKey, launch),
        abortSignal: gate.signal,
      });
      return await startContainer(container, launch, gate);
    } catch (error) {
      // A name that is taken belongs to a container that we did not make just now.
      if (statusOf(error) !== CONFLICT) await discardQuietly(docker.getContainer(name));
      if (gate.signal.aborted) return aborted();
      return err(startFailure(error, launch.spec.image));
    }
  }

  /** Loaded when it is needed: 40 ms and 12 MB that machines without Docker do not pay. */
  async #connect(): Promise<Result<Dockerode, string>> {
    if (this.#docker !== null) return ok(this.#docker);
    const address = dockerAddress(process.env);
    if (!address.ok) return address;
    const { default: Docker } = await import("dockerode");
    // dockerode would prefer the environment to what it is told.
    const { DOCKER_HOST: host } = process.env;
    Reflect.deleteProperty(process.env, "DOCKER_HOST");
    this.#docker = new Docker(address.value);
    if (host !== undefined) process.env["DOCKER_HOST"] = host;
    return ok(this.#docker);
  }
}

async function startContainer(
  container: Dockerode.Container,
  launch: TaskLaunch,
  gate: Gate,
): Promise<Result<RunningTask, StartFailure>> {
  const abortSignal = gate.signal;
  const weaknesses = weakened(await container.inspect({ abortSignal }));
  if (weaknesses.length > 0) {
    await discardQuietly(container);
    const detail = `Docker does not isolate as asked: ${weaknesses.join(", ")}`;
    return err({ kind: "not-started", detail });
  }
  // Attached before it starts: not a byte of output is missed.
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  readStream(stream, launch.onOutput);
  if (abortSignal.aborted || !gate.mayStart()) {
    await discardQuietly(container);
    return aborted();
  }
  try {
    await container.start({ abortSignal });
  } catch (error) {
    if (statusOf(error) === null) await discardForSure(container);
    throw error;
  }
  return ok(containerTask({ container, stream, outputAtLeast: false }));
}

const aborted = (): Result<never, StartFailure> => err({ kind: "aborted", detail: "" });

const unusable = (detail: string): DriverProbe => ({
  status: { name: "docker", usable: false, detail, limits: [] },
  runsUnnamed: false,
});

/** A daemon that hangs must not hang whoever asks. */
function within<T>(millis: number, answer: Promise<T>): Promise<T> {
  const late = Bun.sleep(millis).then(() => {
    throw new Error(`no answer in ${millis} ms`);
  });
  return Promise.race([answer, late]);
}

async function imageExists(docker: Dockerode): Promise<boolean> {
  try {
    await docker.getImage(DEFAULT_IMAGE).inspect();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function discard(container: Dockerode.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    if (!isAlreadySo(error)) throw error;
  }
}

/** Best effort: it cannot come to life by itself, and the next sweep finds it. */
const discardQuietly = (container: Dockerode.Container): Promise<void> =>
  discard(container).catch(() => undefined);

/** Goes on until the daemon has said that it is gone: our request to start it may be under way. */
async function discardForSure(container: Dockerode.Container): Promise<void> {
  for (;;) {
    try {
      return await discard(container);
    } catch {
      await Bun.sleep(CLEANUP_PAUSE_MILLIS);
    }
  }
}
