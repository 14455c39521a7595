import type { NlError } from "../lib/error-code.ts";
import type { NodeId } from "../lib/ids.ts";
import type { Done } from "./completion.ts";

/** A call as it arrived at this node, to be answered by the leader instead. */
export type ForwardedCall = {
  /** `user/<name>:<role>` or `node/<id>`. */
  readonly principal: string;
  /** Full method name: `/nl.v1.Jobs/SubmitJob`. */
  readonly method: string;
  readonly request: Uint8Array;
  readonly timeoutMillis: number;
};

/** One hop to the leader over the nodes' own certificates. A broken hop is `indefinite`. */
export interface LeaderLink {
  call(
    leader: { readonly nodeId: NodeId; readonly address: string },
    call: ForwardedCall,
    done: Done<Uint8Array, NlError>,
  ): void;
}
