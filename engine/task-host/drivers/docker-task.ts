import type Dockerode from "dockerode";
import type { RunningTask, TaskExit } from "../task-driver.ts";
import { isAlreadySo, isNotFound } from "./docker-failure.ts";
import { signalOf } from "./exit-signal.ts";

/** The daemon closes the stream with the container; a broken connection must not hang us. */
const STREAM_END_MILLIS = 5000;
const RETRY_MILLIS = 1000;

type Parts = {
  readonly container: Dockerode.Container;
  readonly stream: NodeJS.ReadableStream;
  readonly outputAtLeast: boolean;
};

/** A container that was started, as the task that runs in it. */
export function containerTask({ container, stream, outputAtLeast }: Parts): RunningTask {
  const streamEnded = new Promise<void>((resolve) => {
    for (const event of ["end", "close", "error"]) stream.once(event, () => resolve());
  });
  const exited = async (): Promise<TaskExit> => {
    const exit = await exitOf(container);
    await Promise.race([streamEnded, Bun.sleep(STREAM_END_MILLIS)]);
    return exit;
  };
  return {
    pid: 0,
    exited: exited(),
    outputAtLeast,
    terminate: () => signal(container, "SIGTERM"),
    kill: () => signal(container, "SIGKILL"),
  };
}

/** Waits for the end, however often the daemon is restarted meanwhile. */
async function exitOf(container: Dockerode.Container): Promise<TaskExit> {
  for (;;) {
    try {
      await container.wait();
      const { State: state } = await container.inspect();
      if (state.Running || state.Paused || state.Restarting) continue;
      return {
        exitCode: state.ExitCode,
        signal: signalOf(state.ExitCode),
        oomKilled: state.OOMKilled && state.ExitCode !== 0,
        peakMemoryBytes: 0,
        lostDetail: "",
      };
    } catch (error) {
      if (isNotFound(error)) return VANISHED;
      await Bun.sleep(RETRY_MILLIS);
    }
  }
}

const VANISHED: TaskExit = {
  exitCode: null,
  signal: "",
  oomKilled: false,
  peakMemoryBytes: 0,
  lostDetail: "its container was removed from outside",
};

async function signal(
  container: Dockerode.Container,
  name: "SIGTERM" | "SIGKILL",
): Promise<boolean> {
  try {
    await container.kill({ signal: name });
    return true;
  } catch (error) {
    // Not running, or gone: it had ended. No daemon: nobody knows, so whoever waits decides.
    return !isAlreadySo(error);
  }
}
