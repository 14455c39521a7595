import { closeSync } from "node:fs";
import { FloodGate } from "./flood-gate.ts";

export type PipeReader = {
  /** Resolves when every writer has closed the pipe, or after `cancel`. */
  readonly ended: Promise<void>;
  cancel(): void;
};

/** Hands over what arrives on the pipe, piece by piece, and closes `fd` at its end. */
export function readPipe(fd: number, onBytes: (bytes: Uint8Array) => void): PipeReader {
  const reader = Bun.file(fd).stream().getReader();
  const gate = new FloodGate();
  const drain = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes(value);
      const pause = gate.pauseAfter(value.length);
      if (pause > 0) await Bun.sleep(pause);
    }
  };
  // A pipe that breaks has ended.
  const ended = drain()
    .catch(() => undefined)
    .finally(() => closeSync(fd));
  return { ended, cancel: () => void reader.cancel().catch(() => undefined) };
}
