import type { OutputStream } from "../task-driver.ts";
import { FloodGate } from "./flood-gate.ts";

const HEADER_BYTES = 8;
const STDERR = 2;

/** Hands over what a container writes, at the speed that the flood gate allows. */
export function readStream(
  stream: NodeJS.ReadableStream,
  onOutput: (stream: OutputStream, bytes: Uint8Array) => void,
): void {
  const take = demultiplexer(onOutput);
  const gate = new FloodGate();
  // A connection that breaks has ended; whoever waits for its end is told by `close`.
  stream.on("error", () => undefined);
  stream.on("data", (bytes: Buffer) => {
    take(bytes);
    const pause = gate.pauseAfter(bytes.length);
    if (pause === 0) return;
    stream.pause();
    setTimeout(() => stream.resume(), pause);
  });
}

/**
 * Takes Docker's multiplexed stream apart: each frame has a header of 8 bytes, of which the first
 * is the stream and the last four the length (big-endian). Frames may be cut anywhere.
 */
export function demultiplexer(
  onOutput: (stream: OutputStream, bytes: Uint8Array) => void,
): (bytes: Buffer) => void {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let stream: OutputStream = "stdout";
  let remaining = 0;
  return (bytes) => {
    let position = 0;
    while (position < bytes.length) {
      if (remaining > 0) {
        const end = Math.min(bytes.length, position + remaining);
        onOutput(stream, bytes.subarray(position, end));
        remaining -= end - position;
        position = end;
        continue;
      }
      const taken = bytes.copy(
        header,
        headerBytes,
        position,
        position + HEADER_BYTES - headerBytes,
      );
      headerBytes += taken;
      position += taken;
      if (headerBytes < HEADER_BYTES) return;
      stream = header.readUInt8(0) === STDERR ? "stderr" : "stdout";
      remaining = header.readUInt32BE(4);
      headerBytes = 0;
    }
  };
}
