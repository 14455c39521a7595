import type { NlError } from "../lib/error-code.ts";
import type { AttemptId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { OutputChunk } from "./output-reader.ts";

/** Reads output that another node holds, over the nodes' own certificates. */
export interface OutputLink {
  /** Ends after the `complete` chunk, after one error, or silently when `signal` aborts. */
  read(request: {
    /** `host:port` and name of the node that ran the attempt. */
    readonly source: { readonly nodeId: string; readonly address: string };
    readonly attemptId: AttemptId;
    readonly offset: number;
    readonly tailBytes: number;
    readonly follow: boolean;
    readonly signal: AbortSignal;
  }): AsyncIterable<Result<OutputChunk, NlError>>;
}
