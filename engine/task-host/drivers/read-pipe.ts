import { closeSync } from "node:fs";

/** A task that floods its output is slowed down to this, so that its neighbours are not. */
const BYTES_PER_WINDOW_MAX = 12 * 1024 * 1024;
const WINDOW_MILLIS = 100;

export type PipeReader = {
  /** Resolves when every writer has closed the pipe, or after `cancel`. */
  readonly ended: Promise<void>;
  cancel(): void;
};

/** Hands over what arrives on the pipe, piece by piece, and closes `fd` at its end. */
export function readPipe(fd: number, onBytes: (bytes: Uint8Array) => void): PipeReader {
  const reader = Bun.file(fd).stream().getReader();
  const drain = async (): Promise<void> => {
    let windowStart = performance.now();
    let windowBytes = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes(value);
      windowBytes += value.length;
      const elapsed = performance.now() - windowStart;
      if (windowBytes > BYTES_PER_WINDOW_MAX && elapsed < WINDOW_MILLIS) {
        // Every piece is a buffer of its own, and the collector does not see how large it is.
        Bun.gc(true);
        await Bun.sleep(WINDOW_MILLIS - elapsed);
      }
      if (performance.now() - windowStart < WINDOW_MILLIS) continue;
      windowStart = performance.now();
      windowBytes = 0;
    }
  };
  // A pipe that breaks has ended.
  const ended = drain()
    .catch(() => undefined)
    .finally(() => closeSync(fd));
  return { ended, cancel: () => void reader.cancel().catch(() => undefined) };
}
