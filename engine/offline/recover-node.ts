import {
  following,
  type Index,
  NOBODY,
  type PeerId,
  type Term,
  type UnixMillis,
} from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import { confAfter } from "../raft/conf-after.ts";
import { encodeConfChange } from "../raft/conf-codec.ts";
import type { ConfChange, ConfState, Entry, EntryKind } from "../raft/types.ts";
import type { CommandBody } from "../state/command.ts";
import { encodeCommand } from "../state/command-codec.ts";
import type { StoppedNode } from "./stopped-node.ts";

export type Recovered = {
  readonly term: Term;
  /** Of the entries that this added to the log. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
};

const LEAVE: ConfChange = { changes: [], transition: "auto", context: new Uint8Array(0) };

/**
 * Makes this node's log the truth: everything in it is committed, and this node is the only voter,
 * in a term of its own. What was done stays in the log: the change of members names it, and the
 * others are recorded as leaving. In one transaction; it ends the log's damage, too.
 */
export function recoverNode(node: StoppedNode, now: UnixMillis): Result<Recovered, StorageError> {
  const { log, boot, self } = node;
  const term = following(boot.hardState?.term ?? node.snapshot.term);
  const entries = entriesOf(node, term, now);
  const firstIndex = following(boot.lastIndex);
  const lastIndex = (boot.lastIndex + entries.length) as Index;
  const written = log.write([
    {
      seq: 1,
      hardState: { term, votedFor: self.peerId, commit: lastIndex },
      entries,
      snapshot: null,
      fsync: true,
    },
  ]);
  return written.ok ? { ok: true, value: { term, firstIndex, lastIndex } } : written;
}

function entriesOf(node: StoppedNode, term: Term, now: UnixMillis): readonly Entry[] {
  const entries: Entry[] = [];
  const append = (kind: EntryKind, data: Uint8Array): Entry => {
    const index = (node.boot.lastIndex + entries.length + 1) as Index;
    const entry: Entry = { index, term, kind, data };
    entries.push(entry);
    return entry;
  };
  let conf = node.conf;
  const change = (next: ConfChange): void => {
    conf = confAfter(conf, append("conf", encodeConfChange(next)));
  };
  if (conf.votersOutgoing.length > 0) change(LEAVE);
  const alone = onlySelf(conf, node.self.peerId, now);
  if (alone !== null) {
    change(alone);
    change(LEAVE);
  }
  for (const { id, peerId, seat } of node.state.nodes.values()) {
    if (peerId === NOBODY || peerId === node.self.peerId || seat === "leaving") continue;
    append("normal", commandOf(node, now, { kind: "leave-node", nodeId: id, deadlineMillis: 0 }));
  }
  // A log that only held what was committed still gets an entry of the new term.
  if (entries.length === 0) append("noop", new Uint8Array(0));
  return entries;
}

/** Null when nobody else is a member. Through a joint configuration, as for any such change. */
function onlySelf(conf: ConfState, self: PeerId, now: UnixMillis): ConfChange | null {
  const others = [...conf.voters, ...conf.learners].filter((id) => id !== self);
  if (others.length === 0) return null;
  return {
    changes: [{ op: "voter", id: self }, ...others.map((id) => ({ op: "remove" as const, id }))],
    transition: "explicit",
    context: new TextEncoder().encode(`nl cluster recover at ${new Date(now).toISOString()}`),
  };
}

const commandOf = (node: StoppedNode, now: UnixMillis, body: CommandBody): Uint8Array =>
  encodeCommand({
    level: node.state.featureLevel,
    at: Math.max(now, node.state.appliedAt) as UnixMillis,
    principal: `node/${node.self.nodeId}`,
    body,
  });
