import { expect, test } from "bun:test";
import { SeededRng } from "./chaos-fixture.ts";
import { bootFrom, bytes, conf, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import {
  append,
  appendReply,
  entry,
  heartbeat,
  heartbeatReply,
  vote,
  voteReply,
} from "./messages-fixture.ts";
import type { Message } from "./types.ts";

/** Any message, of small numbers so that they often fit, from a member or a stranger. */
function anyMessage(rng: SeededRng): Message {
  const [from, to, term] = [2 + rng.below(4), 1, rng.below(6)];
  const index = rng.below(8);
  const prev = [index, rng.below(6)] as const;
  const session = rng.below(4);
  const commit = rng.below(10);
  const gap = rng.chance(5) ? 1 : 0;
  const entries = Array.from({ length: rng.below(4) }, (_, i) =>
    entry(index + 1 + i + gap, rng.below(6), "", rng.pick(["normal", "conf"])),
  );
  const [granted, pre, transfer, reject] = [50, 50, 20, 40].map((percent) => rng.chance(percent));
  const flags = { granted: granted === true, pre: pre === true, transfer: transfer === true };
  const snapshot = { ...snapshotAt(index, conf([1, 2, 3])), term: entry(0, rng.below(6)).term };
  const head = append({ from, to, term, prev });
  return rng.pick<Message>([
    append({ from, to, term, prev, entries, commit, session }),
    appendReply({ from, to, term, index, session, reject: reject === true }),
    heartbeat({ from, to, term, commit, session, readSeq: rng.below(4) }),
    heartbeatReply({ from, to, term, session, readSeq: rng.below(4) }),
    vote({ from, to, term, last: prev, ...flags }),
    voteReply({ from, to, term, ...flags }),
    { kind: "snapshot", from: head.from, to: head.to, term: head.term, session, snapshot },
    { kind: "timeout-now", from: head.from, to: head.to, term: head.term },
    { kind: "read-index", from: head.from, to: head.to, term: head.term, ctx: rng.below(4) },
    { ...snapshotReadReply(rng), from: head.from, to: head.to, term: head.term },
  ]);
}

const snapshotReadReply = (rng: SeededRng) =>
  ({ kind: "read-index-reply", ctx: rng.below(4), index: entry(rng.below(4), 0).index }) as const;

test("no message, however wrong, breaks a node or turns its term back (contract 2, P25)", () => {
  for (let seed = 0; seed < 150; seed++) {
    const rng = new SeededRng(seed);
    const boot = bootFrom(snapshotAt(1, conf([1, 2, 3])));
    const node = new TestCluster([]).add(1, boot, { rng, preVote: rng.chance(50) });
    const others = [
      () => node.raft.tick(),
      () => node.raft.propose([bytes("p")]),
      () => node.take(),
      () => node.sync(1),
    ];
    for (let i = 0; i < 400; i++) {
      const before = node.raft.status();
      node.raft.step(anyMessage(rng));
      rng.pick(others)();
      const { term, votedFor, commit } = node.raft.status();
      expect(term).toBeGreaterThanOrEqual(before.term);
      expect(commit).toBeGreaterThanOrEqual(before.commit);
      // A vote, once given, stands for its term (P24).
      if (term === before.term && before.votedFor > 0) expect(votedFor).toBe(before.votedFor);
    }
    expect(node.raft.status().commit).toBeGreaterThan(0);
  }
});
