import { unreachable } from "../lib/assert.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import type { NodeId } from "../lib/ids.ts";
import type { ProposeFailure } from "../replica/replica.ts";
import type { Refusal } from "../state/command.ts";

/** What a node's executor is told when its report or registration did not enter the log. */
export function proposeError(failure: ProposeFailure): NlError {
  switch (failure.kind) {
    case "not-leader":
    case "transferring":
    case "dropped":
    case "stopped":
      return nlError("no_leader", "this node does not lead any more", "ask the new leader");
    case "overloaded":
      return nlError("overloaded", "the log is at its limit", "try again", 100);
    case "too-large":
      return nlError("too_large", "the entry is larger than 512 KiB", "send less at once");
    case "indefinite":
      return nlError("indefinite", "the outcome is unknown", "repeat it: that is safe");
    default:
      return unreachable(failure);
  }
}

/** Why the state machine did not take a node in, and what its operator can do. */
export function registrationError(nodeId: NodeId, refusal: Refusal): NlError {
  const sentence = `node ${nodeId} may not register`;
  switch (refusal.kind) {
    case "wrong-store":
      return nlError(
        "refused",
        `${sentence}: the cluster knows this name with another data directory`,
        "a wiped or copied node joins again under a new id",
      );
    case "feature-level":
      return nlError(
        "refused",
        `${sentence}: the cluster runs at feature level ${refusal.featureLevel}`,
        "bring this node to the version of the cluster",
      );
    default:
      return nlError("refused", `${sentence}: ${refusal.kind}`);
  }
}
