import { decodeConfChange } from "../../engine/raft/conf-codec.ts";
import type { ConfChange, ConfOp, Entry, Message, Role } from "../../engine/raft/types.ts";
import type { EntryText } from "./scenario.ts";

/** Marks, in its context, a change that etcd would have written as a v1 entry. */
export const V1_CONTEXT = new Uint8Array([1]);

const ROLES = {
  follower: "StateFollower",
  precandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
  halted: "StateHalted",
} as const satisfies Record<Role, string>;

const PROGRESS_STATES = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
} as const;

const LETTERS = { voter: "v", learner: "l", remove: "r" } as const;

export const roleText = (role: Role): string => ROLES[role];

export const progressStateText = (state: keyof typeof PROGRESS_STATES): string =>
  PROGRESS_STATES[state];

export function entryText(entry: Entry): EntryText {
  const { term, index, kind, data } = entry;
  if (kind !== "conf") {
    return [term, index, "EntryNormal", JSON.stringify(new TextDecoder().decode(data))];
  }
  const change = decodeConfChange(data);
  const isV1 = change !== null && change.context.length > 0;
  return [term, index, isV1 ? "EntryConfChange" : "EntryConfChangeV2", changesText(change)];
}

const changesText = (change: ConfChange | null): string =>
  (change?.changes ?? []).map(({ op, id }) => `${LETTERS[op]}${id}`).join(" ");

/** `v1 l2 r3` → operations. `u4` (update) means nothing to a core without node contexts. */
export function parseChanges(body: string): readonly ConfOp[] {
  const words = body.split(/\s+/).filter((word) => word !== "");
  return words.flatMap((word): readonly ConfOp[] => {
    const id = Number(word.slice(1)) as ConfOp["id"];
    if (word.startsWith("v")) return [{ op: "voter", id }];
    if (word.startsWith("l")) return [{ op: "learner", id }];
    return word.startsWith("r") ? [{ op: "remove", id }] : [];
  });
}

/** The name etcd gives this message. */
export function messageType(message: Message): string {
  switch (message.kind) {
    case "append":
      return "MsgApp";
    case "append-reply":
      return "MsgAppResp";
    case "vote":
      return message.pre ? "MsgPreVote" : "MsgVote";
    case "vote-reply":
      return message.pre ? "MsgPreVoteResp" : "MsgVoteResp";
    case "heartbeat":
      return "MsgHeartbeat";
    case "heartbeat-reply":
      return "MsgHeartbeatResp";
    case "snapshot":
      return "MsgSnap";
    case "timeout-now":
      return "MsgTimeoutNow";
    case "read-index":
      return "MsgReadIndex";
    case "read-index-reply":
      return "MsgReadIndexResp";
  }
}
