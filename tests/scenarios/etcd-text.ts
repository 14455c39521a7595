import { decodeConfChange, encodeConfChange } from "../../engine/raft/conf-codec.ts";
import type {
  ConfChange,
  ConfOp,
  Entry,
  HardState,
  Message,
  Role,
} from "../../engine/raft/types.ts";
import type { EntryText, HardStateText } from "./scenario.ts";

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

/** etcd keeps a change made of one old-style operation in an entry type of its own. */
const V1_MARK = "v1:";
/** `u4` (update) means nothing to a core without node contexts: nobody has this number. */
const NOBODY_AT_ALL = Number.MAX_SAFE_INTEGER as ConfOp["id"];

export const roleText = (role: Role): string => ROLES[role];

export const progressStateText = (state: keyof typeof PROGRESS_STATES): string =>
  PROGRESS_STATES[state];

export function entryText(entry: Entry): EntryText {
  const { term, index, kind, data } = entry;
  const text = new TextDecoder().decode(kind === "conf" ? decodeConfChange(data)?.context : data);
  if (kind !== "conf") return [term, index, "EntryNormal", JSON.stringify(text)];
  const isV1 = text.startsWith(V1_MARK);
  const words = isV1 ? text.slice(V1_MARK.length) : text;
  return [term, index, isV1 ? "EntryConfChange" : "EntryConfChangeV2", words];
}

/** `v1 l2 r3` → a change that carries its own words as context, for `entryText`. */
export function parseConfChange(
  body: string,
  options: { readonly isV1: boolean; readonly transition: ConfChange["transition"] },
): ConfChange {
  const words = body.split(/\s+/).filter((word) => word !== "");
  const { isV1, transition } = options;
  if (isV1 && (words.length !== 1 || transition !== "auto")) {
    throw new Error("propose-conf-change: v1 is one operation without a transition");
  }
  const context = new TextEncoder().encode(`${isV1 ? V1_MARK : ""}${words.join(" ")}`);
  return { changes: words.map(parseOp), transition, context };
}

function parseOp(word: string): ConfOp {
  const [, letter, digits] = /^([vlru])(\d+)$/.exec(word) ?? [];
  const id = Number(digits) as ConfOp["id"];
  switch (letter) {
    case "v":
      return { op: "voter", id };
    case "l":
      return { op: "learner", id };
    case "r":
      return { op: "remove", id };
    case "u":
      return { op: "remove", id: NOBODY_AT_ALL };
    default:
      throw new Error(`propose-conf-change: unknown change: ${word}`);
  }
}

/** What etcd counts of an entry against `max-committed-size-per-ready`: its size on the wire. */
export function wireBytes({ index, term, kind, data }: Entry): number {
  const change = kind === "conf" ? decodeConfChange(data) : null;
  const payload = change === null ? data : encodeConfChange(change);
  const head = 2 + (1 + varintBytes(term)) + (1 + varintBytes(index));
  return payload.length === 0 ? head : head + 1 + varintBytes(payload.length) + payload.length;
}

const varintBytes = (value: number): number => Math.max(1, Math.ceil(Math.log2(value + 1) / 7));

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

export const hardStateText = ({ term, votedFor, commit }: HardState): HardStateText => ({
  term,
  vote: votedFor,
  commit,
});
