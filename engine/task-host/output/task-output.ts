import { mkdirSync } from "node:fs";
import type { OutputChunk } from "../../platform/output-reader.ts";
import type { OutputStream } from "../task-driver.ts";
import { FrameReader } from "./read-frames.ts";
import { StreamFiles } from "./stream-files.ts";

/** Head and tail of both streams together: the hard cap of SEMANTICS S18. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export type ReadRequest = {
  readonly offset: number;
  readonly tailBytes: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
};

/** The output of one attempt on this machine's disk: written once, read by any number at a time. */
export class TaskOutput {
  readonly #streams: { readonly stdout: StreamFiles; readonly stderr: StreamFiles };
  #totalBytes = 0;
  #isComplete = false;
  #readers = 0;
  #waiting: (() => void)[] = [];

  /**
   * `keepBytes`: so many first and so many last bytes of each stream are kept. What is written while
   * the disk has no room is counted only.
   */
  constructor(folder: string, keepBytes: number, hasRoom: () => boolean = () => true) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const keep = Math.min(keepBytes, KEPT_BYTES_MAX / 4);
    this.#streams = {
      stdout: new StreamFiles(folder, "stdout", { keepBytes: keep, hasRoom }),
      stderr: new StreamFiles(folder, "stderr", { keepBytes: keep, hasRoom }),
    };
  }

  get totals(): Readonly<Record<OutputStream, number>> {
    const { stdout, stderr } = this.#streams;
    return { stdout: stdout.totalBytes, stderr: stderr.totalBytes };
  }

  /** Takes over what a host before this one wrote: `writtenBytes`, if that is known. */
  recover(writtenBytes = 0): void {
    const { stdout, stderr } = this.#streams;
    this.#totalBytes = Math.max(stdout.recover(), stderr.recover(), writtenBytes);
    stdout.close();
    stderr.close();
  }

  write(stream: OutputStream, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#streams[stream].write(this.#totalBytes, bytes);
    this.#totalBytes += bytes.length;
    this.#wake();
  }

  /** Nothing more will be written: those who follow are told so. */
  complete(): void {
    this.#isComplete = true;
    this.#wake();
    this.#closeWhenUnused();
  }

  /**
   * What is kept, from `offset` on, in the order it was written. With `follow` until the task has
   * ended, else until what there is now. Ends with a `complete` chunk, or silently on abort.
   */
  async *read(request: ReadRequest): AsyncGenerator<OutputChunk> {
    this.#readers += 1;
    try {
      const { stdout, stderr } = this.#streams;
      const from = Math.max(request.offset, this.#firstOfTail(request.tailBytes));
      const frames = new FrameReader([stdout, stderr], from);
      while (!request.signal.aborted) {
        const chunk = frames.next();
        if (chunk !== null) yield chunk;
        else if (request.follow && !this.#isComplete) await this.#change(request.signal);
        else return yield finalChunk(frames.position, this.#totalBytes);
      }
    } finally {
      this.#readers -= 1;
      this.#closeWhenUnused();
    }
  }

  #firstOfTail(tailBytes: number): number {
    return tailBytes > 0 ? Math.max(0, this.#totalBytes - tailBytes) : 0;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      signal.addEventListener("abort", wake, { once: true });
      this.#waiting.push(wake);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #closeWhenUnused(): void {
    if (!this.#isComplete || this.#readers > 0) return;
    this.#streams.stdout.close();
    this.#streams.stderr.close();
  }
}

function finalChunk(position: number, totalBytes: number): OutputChunk {
  const skippedBytes = Math.max(0, totalBytes - position);
  const offset = Math.max(position, totalBytes);
  return { offset, stream: "none", data: new Uint8Array(0), skippedBytes, complete: true };
}
