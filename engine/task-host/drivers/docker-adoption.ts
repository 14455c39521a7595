import type Dockerode from "dockerode";
import type { BeforeAdoption, OutputStream, RunningTask, TaskLaunch } from "../task-driver.ts";
import { isNotFound } from "./docker-failure.ts";
import { demultiplexer, readStream } from "./docker-stream.ts";
import { containerTask } from "./docker-task.ts";

/** Below this the daemon's log (1 MiB at most) cannot have been cut. */
const UNCUT_LOG_BYTES = 900 * 1024;
/** What the log spends on a line beside its bytes, at most. */
const LINE_OVERHEAD_BYTES = 64;

type Adoption = {
  readonly container: Dockerode.Container;
  readonly launch: TaskLaunch;
  readonly before: BeforeAdoption;
};

/**
 * Goes on with a container that another host had started. While the daemon's log is complete its
 * first bytes are those that were delivered, and are left out; else it goes on by time, and
 * some output may be missing or come twice: totals are then a lower bound.
 */
export async function adoptContainer(adoption: Adoption): Promise<RunningTask | null> {
  const { container, launch, before } = adoption;
  const state = await stateOf(container, launch);
  if (state === null) return null;
  if (state === "created") {
    await container.remove({ force: true, v: true });
    return null;
  }
  const isWhole = await logIsWhole(container);
  const since = isWhole ? 0 : before.lastOutputAt / 1000;
  const stream = await container.logs({ follow: true, stdout: true, stderr: true, since });
  const output = isWhole ? withoutFirst(before.delivered, launch.onOutput) : launch.onOutput;
  readStream(stream, output);
  return containerTask({ container, stream, outputAtLeast: true });
}

/** Null: there is no such container, or it belongs to another attempt. */
async function stateOf(
  container: Dockerode.Container,
  launch: TaskLaunch,
): Promise<"created" | "started" | null> {
  try {
    const { State: state, Config: config } = await container.inspect();
    if (config.Labels["nl.fence"] !== `${launch.fence}`) return null;
    return state.Status === "created" ? "created" : "started";
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

async function logIsWhole(container: Dockerode.Container): Promise<boolean> {
  const log = await container.logs({ stdout: true, stderr: true });
  let bytes = 0;
  demultiplexer((_stream, piece) => {
    bytes += piece.length;
    for (const byte of piece) if (byte === 0x0a) bytes += LINE_OVERHEAD_BYTES;
  })(log);
  return bytes < UNCUT_LOG_BYTES;
}

function withoutFirst(
  delivered: Readonly<Record<OutputStream, number>>,
  onOutput: TaskLaunch["onOutput"],
): TaskLaunch["onOutput"] {
  const left = { ...delivered };
  return (stream, bytes) => {
    const skipped = Math.min(left[stream], bytes.length);
    left[stream] -= skipped;
    if (skipped < bytes.length) onOutput(stream, bytes.subarray(skipped));
  };
}
