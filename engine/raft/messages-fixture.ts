import { at, bytes, inTerm, peer, type TestNode } from "./cluster-fixture.ts";
import type { Entry, EntryKind, Message } from "./types.ts";

export const entry = (
  index: number,
  term: number,
  data = "",
  kind: EntryKind = "normal",
): Entry => ({
  index: at(index),
  term: inTerm(term),
  kind,
  data: bytes(data),
});

type Head = { readonly from: number; readonly to: number; readonly term: number };

const head = ({ from, to, term }: Head): Pick<Message, "from" | "to" | "term"> => ({
  from: peer(from),
  to: peer(to),
  term: inTerm(term),
});

export const append = (
  options: Head & {
    readonly prev: readonly [number, number];
    readonly entries?: readonly Entry[];
    readonly commit?: number;
    readonly session?: number;
  },
): Message => ({
  kind: "append",
  ...head(options),
  session: options.session ?? 1,
  prevIndex: at(options.prev[0]),
  prevTerm: inTerm(options.prev[1]),
  entries: options.entries ?? [],
  commit: at(options.commit ?? 0),
});

export const appendReply = (
  options: Head & { readonly index: number; readonly session?: number; readonly reject?: boolean },
): Message => ({
  kind: "append-reply",
  ...head(options),
  session: options.session ?? 1,
  index: at(options.index),
  reject: options.reject ?? false,
  hintIndex: at(0),
  hintTerm: inTerm(0),
  lag: 0,
  lost: false,
});

export const heartbeat = (
  options: Head & {
    readonly commit?: number;
    readonly readSeq?: number;
    readonly session?: number;
  },
): Message => ({
  kind: "heartbeat",
  ...head(options),
  session: options.session ?? 1,
  commit: at(options.commit ?? 0),
  readSeq: options.readSeq ?? 0,
});

export const vote = (
  options: Head & {
    readonly last: readonly [number, number];
    readonly pre?: boolean;
    readonly transfer?: boolean;
  },
): Message => ({
  kind: "vote",
  ...head(options),
  pre: options.pre ?? false,
  lastIndex: at(options.last[0]),
  lastTerm: inTerm(options.last[1]),
  transfer: options.transfer ?? false,
});

export const voteReply = (
  options: Head & { readonly granted: boolean; readonly pre?: boolean },
): Message => ({
  kind: "vote-reply",
  ...head(options),
  pre: options.pre ?? false,
  granted: options.granted,
});

export const heartbeatReply = (
  options: Head & { readonly readSeq: number; readonly session?: number },
): Message => ({
  kind: "heartbeat-reply",
  ...head(options),
  session: options.session ?? 1,
  readSeq: options.readSeq,
  lag: 0,
  lost: false,
});

/** Makes a node (with pre-vote off) leader of its next term, by the votes of these. */
export function electByHand(node: TestNode, voters: readonly number[]): void {
  node.raft.input({ kind: "campaign" });
  node.take();
  node.sync();
  const { id, term } = node.raft.status();
  for (const from of voters) node.raft.step(voteReply({ from, to: id, term, granted: true }));
  if (node.raft.status().role !== "leader") throw new Error("not elected");
}

/** The messages of one kind among many. */
export function ofKind<Kind extends Message["kind"]>(
  messages: readonly Message[],
  kind: Kind,
): readonly Extract<Message, { kind: Kind }>[] {
  return messages.filter(
    (message): message is Extract<Message, { kind: Kind }> => message.kind === kind,
  );
}
