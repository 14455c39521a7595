import type { AttemptId } from "../lib/ids.ts";

export type OutputChunk = {
  /** Position of the first byte in the attempt's one sequence, stdout and stderr together. */
  readonly offset: number;
  readonly stream: "stdout" | "stderr" | "none";
  readonly data: Uint8Array;
  /** Bytes before `data` that were not kept. */
  readonly skippedBytes: number;
  /** Everything there is has been sent. */
  readonly complete: boolean;
};

/** Reads what a task on this machine has written; follows it until its end when asked to. */
export interface OutputReader {
  read(request: {
    readonly attemptId: AttemptId;
    readonly offset: number;
    readonly tailBytes: number;
    readonly follow: boolean;
    readonly signal: AbortSignal;
  }): AsyncIterable<OutputChunk>;
}
