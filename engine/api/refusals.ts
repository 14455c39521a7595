import { unreachable } from "../lib/assert.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import type { JobId } from "../lib/ids.ts";
import type { ProposeFailure } from "../replica/replica.ts";
import type { Refusal } from "../state/command.ts";

const RETRY_SOON_MILLIS = 200;

/** Had no effect; the caller may wait for a leader and try again. */
export const noLeader = (): NlError =>
  nlError(
    "no_leader",
    "the cluster has no leader at the moment",
    "a majority of the servers must be up and reach each other: nl status",
    RETRY_SOON_MILLIS,
  );

export const draining = (nodeId: string): NlError =>
  nlError("draining", `node ${nodeId} is stopping`, "ask another node", RETRY_SOON_MILLIS);

export const unknownJob = (id: string): NlError =>
  nlError("not_found", `there is no job ${id}`, "nl ps lists the jobs that are known");

export const unknownNode = (id: string): NlError =>
  nlError("not_found", `there is no node ${id}`, "nl node ls lists the nodes of this cluster");

export const overloaded = (): NlError =>
  nlError(
    "overloaded",
    "too many requests wait to enter the log",
    "nothing was done; try again a little later",
    RETRY_SOON_MILLIS,
  );

/** Why something is not in the log. Low on disk: it had no effect. */
export type Unproposed = ProposeFailure | { readonly kind: "low-disk"; readonly shortage: string };

const RETRY_WHEN_ROOM_MILLIS = 5_000;

/** What a failed proposal means to the one who asked. `subject` says what may still happen. */
export function proposeError(failure: Unproposed, subject: string): NlError {
  switch (failure.kind) {
    case "not-leader":
    case "transferring":
    case "dropped":
      return noLeader();
    case "overloaded":
      return overloaded();
    case "low-disk":
      return nlError(
        "low_disk",
        failure.shortage,
        "nothing was done; make room there, then try again",
        RETRY_WHEN_ROOM_MILLIS,
      );
    case "too-large":
      return nlError("too_large", `${subject} does not fit into one log entry`, "make it smaller");
    case "indefinite":
      return indefinite(subject);
    case "stopped":
      return nlError("unreachable", "this node has stopped working on its log", "ask another node");
    default:
      return unreachable(failure);
  }
}

export const indefinite = (subject: string): NlError =>
  nlError(
    "indefinite",
    `${subject} was not confirmed in time: it may still happen`,
    "ask for it by id, or repeat it with the same id: that is safe",
    RETRY_SOON_MILLIS,
  );

/** What the state machine's refusal means to the one who asked. */
export function refusalError(refusal: Refusal): NlError {
  switch (refusal.kind) {
    case "job-conflict":
      return nlError(
        "job_conflict",
        `job ${refusal.jobId} exists with another spec`,
        "submit the other work under an id of its own",
      );
    case "unknown-job":
      return unknownJob(refusal.jobId);
    case "already-over":
      return alreadyOver(refusal);
    case "unknown-node":
      return unknownNode(refusal.nodeId);
    case "wrong-store":
      return nlError(
        "refused",
        `node ${refusal.nodeId} does not show the data directory it was known by`,
        "a wiped node joins again under a new id",
      );
    case "leaving":
    case "not-leaving":
    case "still-working":
    case "not-a-server":
    case "name-taken":
    case "removed-node":
    case "too-many-tokens":
    case "bad-token":
      return memberRefusal(refusal);
    case "not-draining":
      return nlError("wrong_state", `node ${refusal.nodeId} is not draining`, "nl node ls");
    case "queue-full":
      return nlError(
        "overloaded",
        `the queue holds its limit of ${refusal.limit} jobs`,
        "wait until some have run, or raise the limit",
        1_000,
      );
    case "feature-level":
      return nlError(
        "refused",
        `the cluster runs at feature level ${refusal.featureLevel}`,
        "bring this node to the version of the cluster",
      );
    default:
      return unreachable(refusal);
  }
}

type MemberRefusal = Extract<
  Refusal,
  {
    kind:
      | "leaving"
      | "not-leaving"
      | "still-working"
      | "not-a-server"
      | "name-taken"
      | "removed-node"
      | "too-many-tokens"
      | "bad-token";
  }
>;

function memberRefusal(refusal: MemberRefusal): NlError {
  switch (refusal.kind) {
    case "leaving":
      return nlError(
        "wrong_state",
        `node ${refusal.nodeId} is leaving the cluster, and that is not taken back`,
        "afterwards it can join again under a new name: nl cluster join",
      );
    case "not-leaving":
      return nlError("wrong_state", `node ${refusal.nodeId} is not leaving`, "nl cluster leave");
    case "still-working":
      return nlError("wrong_state", `work still runs on node ${refusal.nodeId}`, "let it drain");
    case "not-a-server":
      return nlError(
        "wrong_state",
        `node ${refusal.nodeId} is only a worker: it has no seat in the Raft group`,
        "nl cluster members lists the servers",
      );
    case "name-taken":
      return nlError("refused", `there is a node ${refusal.nodeId} already`, "choose another name");
    case "removed-node":
      return nlError(
        "refused",
        `${refusal.nodeId} was removed from this cluster, and its name does not come back`,
        "join again under a new name: nl cluster join",
      );
    case "too-many-tokens":
      return nlError(
        "refused",
        `${refusal.limit} join tokens are remembered already`,
        "they are forgotten a week after they expire",
      );
    case "bad-token":
      return nlError("forbidden", TOKEN_TROUBLE[refusal.why], "a new one: nl cluster join");
    default:
      return unreachable(refusal);
  }
}

const TOKEN_TROUBLE = {
  unknown: "this cluster knows no such join token",
  // A wrong secret looks like an unknown token to who guesses.
  "wrong-secret": "this cluster knows no such join token",
  expired: "this join token has expired",
  "used-up": "this join token has been used already",
  revoked: "this join token was revoked",
} as const;

function alreadyOver(over: {
  readonly jobId: JobId;
  readonly state: string;
  readonly exitCode: number | null;
}): NlError {
  const code = over.exitCode === null ? "" : ` with exit code ${over.exitCode}`;
  return nlError(
    "already_over",
    `job ${over.jobId} is already ${over.state}${code}`,
    `nl inspect ${over.jobId}`,
  );
}
