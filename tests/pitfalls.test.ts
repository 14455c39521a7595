import { describe, expect, test } from "bun:test";
import { join } from "node:path";

/**
 * The known traps of Raft (reference/raft.md §4.1), each with the tests that would notice it. What
 * each is, says the test. Left out is P51, a trap of leases, which are not built; so is the half of
 * P5 that speaks of them. Beside these the checkers of the simulator watch for P1, P6–P10, P24–P27,
 * P36, P43, P44 and P49 in every run, and `tests/mutants` shows that they see them.
 */
type Place = { readonly file: string; readonly title: string };

const LAST = 52;
const LEFT_OUT: readonly string[] = ["P51"];

const at = (file: string, title: string): Place => ({ file, title });

const PITFALLS: Readonly<Record<string, readonly Place[]>> = {
  P1: [
    at(
      "engine/raft/replication.test.ts",
      "commits an entry of an earlier term only together with one of its own (Figure 8, P1)",
    ),
  ],
  P2: [
    at(
      "engine/raft/election.test.ts",
      "restarted together, the nodes elect a leader that can commit (P2)",
    ),
  ],
  P3: [
    at(
      "engine/raft/read-index.test.ts",
      "wait until an entry of the leader's own term is committed (P3)",
    ),
  ],
  P4: [
    at(
      "engine/raft/read-index.test.ts",
      "are not confirmed by answers to an earlier round, nor of an earlier term (P4)",
    ),
  ],
  P5: [
    at("engine/raft/election.test.ts", "a leader that no quorum answers steps down (P5, P49)"),
    at(
      "engine/raft/read-index.test.ts",
      "of a leader that is cut off are never answered, then refused (P5)",
    ),
  ],
  P6: [
    at(
      "engine/raft/replication.test.ts",
      "commits by heartbeat no further than what is known to match (P6)",
    ),
    at(
      "engine/raft/replication.test.ts",
      "sends by heartbeat no commit index above what the member has (P6)",
    ),
  ],
  P7: [
    at(
      "engine/raft/replication.test.ts",
      "commits no further than what this message has shown (P7)",
    ),
  ],
  P8: [
    at(
      "engine/raft/replication.test.ts",
      "acknowledges what this message has shown, not its own last entry (P8)",
    ),
  ],
  P9: [
    at(
      "engine/raft/replication.test.ts",
      "truncates only where the logs differ: a late duplicate takes nothing away (P9)",
    ),
  ],
  P10: [
    at(
      "engine/raft/replication.test.ts",
      "keeps `match` where it was when acknowledgements come out of order (P10)",
    ),
  ],
  P11: [
    at(
      "engine/raft/membership.test.ts",
      "what a member acknowledged before it was removed does not count for it later (P11)",
    ),
  ],
  P12: [
    at(
      "engine/raft/durability.test.ts",
      "a job with entries carries the commit index of its moment (P12)",
    ),
    at(
      "engine/raft/membership.test.ts",
      "who restarts knows the configuration it had, by its log alone (P12)",
    ),
  ],
  P13: [
    at(
      "engine/raft/membership.test.ts",
      "one change at a time, and none while entries of earlier terms are uncommitted (P13)",
    ),
    at(
      "engine/raft/membership.test.ts",
      "a new leader changes nothing before what it found in its log is committed (P13)",
    ),
  ],
  P14: [
    at(
      "engine/raft/membership.test.ts",
      "a leader that removed itself tells the others, then leads no more (P14)",
    ),
    at(
      "engine/raft/membership.test.ts",
      "a leader that is not a member any more counts for nothing (P14)",
    ),
  ],
  P15: [
    at(
      "engine/raft/membership.test.ts",
      "a joint configuration is left by whoever leads then (P15)",
    ),
  ],
  P16: [
    at(
      "engine/raft/election.test.ts",
      "hears its leader, so it takes part in no election (thesis §4.2.3, P16)",
    ),
    at(
      "engine/raft/election.test.ts",
      "a node that was cut off does not raise the term of the others (P16, P19)",
    ),
    at(
      "engine/replica/membership.test.ts",
      "who is told that it was removed stops, with a sentence, and campaigns no more (P16)",
    ),
  ],
  P17: [
    at(
      "engine/raft/election.test.ts",
      "votes by the asker's view: it may not know yet that it votes (P17)",
    ),
  ],
  P18: [
    at("engine/raft/membership.test.ts", "refuses to promote who is far behind (P18)"),
    at("engine/replica/membership.test.ts", "of a learner that is far behind is refused (P18)"),
  ],
  P19: [
    at(
      "engine/raft/election.test.ts",
      "a node that was cut off does not raise the term of the others (P16, P19)",
    ),
    at("engine/raft/election.test.ts", "tells a leader of the past the present term (P19)"),
  ],
  P20: [
    at(
      "engine/raft/election.test.ts",
      "a pre-vote touches neither term nor vote, of the asker or the asked (P20)",
    ),
  ],
  P21: [
    at(
      "engine/raft/election.test.ts",
      "answers its own leader's question: that one knows that it leads no more (P21)",
    ),
  ],
  P22: [
    at(
      "engine/raft/transfer.test.ts",
      "waits for a target that is behind, and refuses proposals meanwhile (P22, P23)",
    ),
    at(
      "engine/raft/transfer.test.ts",
      "ends after one election timeout, and the leader goes on (P22)",
    ),
    at("engine/raft/transfer.test.ts", "whose last message is lost times out (P22)"),
    at("engine/raft/transfer.test.ts", "leaves nothing behind when another node wins (P22)"),
  ],
  P23: [
    at(
      "engine/raft/transfer.test.ts",
      "waits for a target that is behind, and refuses proposals meanwhile (P22, P23)",
    ),
  ],
  P24: [
    at("engine/raft/election.test.ts", "keeps its vote when it steps down within a term (P24)"),
  ],
  P25: [
    at(
      "engine/raft/totality.test.ts",
      "no message, however wrong, breaks a node or turns its term back (contract 2, P25)",
    ),
  ],
  P26: [
    at(
      "engine/replica/one-path.test.ts",
      "heartbeats have no path around the core: all that is sent comes out of one (P26)",
    ),
  ],
  P27: [
    at("engine/raft/durability.test.ts", "a vote leaves only once it is on disk (P27, contract 5)"),
    at(
      "engine/raft/durability.test.ts",
      "an acknowledgement leaves only once its entries are on disk (P27)",
    ),
  ],
  P28: [
    at(
      "engine/raft/durability.test.ts",
      "a storage error is the end: nothing leaves any more (P28, contract 13)",
    ),
  ],
  P29: [
    at(
      "engine/storage/crash-image.test.ts",
      "an unfinished write of which any sectors arrived is there whole or not at all (P29)",
    ),
  ],
  P30: [
    at(
      "engine/storage/crash-image.test.ts",
      "an unfinished write, cut at any byte, costs that write and is no damage (P30)",
    ),
    at(
      "engine/storage/crash-image.test.ts",
      "a byte that rots before the last write is damage, although the mark is far behind (P30)",
    ),
  ],
  P31: [
    at("engine/raft/election.test.ts", "does not forget its vote in a crash (P31)"),
    at("engine/storage/sqlite-log.test.ts", "names a vote before the vote is reported done (P31)"),
    at("tests/contracts/transport.ts", "P31, P50: refuses a peer that shows"),
  ],
  P32: [
    at(
      "engine/raft/snapshot.test.ts",
      "replace the whole log: one job, and the state machine only after it (P32, P33)",
    ),
  ],
  P33: [
    at(
      "engine/raft/snapshot.test.ts",
      "replace the whole log: one job, and the state machine only after it (P32, P33)",
    ),
    at(
      "engine/raft/snapshot.test.ts",
      "of what the log already holds only move the commit index (P33, contract 12)",
    ),
  ],
  P34: [
    at(
      "engine/raft/snapshot.test.ts",
      "are sent once, not again and again while one is under way (P34)",
    ),
    at(
      "tests/scenarios/own/snapshots.ts",
      "any snapshot will do that lets replication go on, even an older one than was sent (P34)",
    ),
  ],
  P35: [
    at(
      "engine/raft/snapshot.test.ts",
      "under way keep the log that their receiver will need (P35)",
    ),
    at(
      "engine/raft/snapshot.test.ts",
      "leave the log of a member that is there and has not caught up yet (P35)",
    ),
    at(
      "engine/raft/snapshot.test.ts",
      "right after an election leave the log of members that nothing is known of (P35)",
    ),
  ],
  P36: [
    at(
      "engine/replica/snapshots.test.ts",
      "goes on in the next life: it starts from the snapshot and applies the rest (P36)",
    ),
    at("engine/state/apply.test.ts", "entries are applied once, in order (P36)"),
  ],
  P37: [
    at(
      "engine/state/apply.test.ts",
      "S14: the same entries give the same hash on every node (P37)",
    ),
    at("tests/tidy.test.ts", "pure folders know no clock, no chance and no world (P37)"),
  ],
  P38: [
    at(
      "engine/raft/replication.test.ts",
      "learns which of its own proposals were overwritten, only when that is certain (P38)",
    ),
  ],
  P39: [
    at(
      "engine/raft/replication.test.ts",
      "moves `next` back never below what was acknowledged, and once per refusal (P39, P42)",
    ),
  ],
  P40: [
    at(
      "engine/raft/replication.test.ts",
      "sends no more than the window allows, and goes on when a heartbeat is answered (P40, P41)",
    ),
  ],
  P41: [
    at(
      "engine/raft/replication.test.ts",
      "sends no more than the window allows, and goes on when a heartbeat is answered (P40, P41)",
    ),
  ],
  P42: [
    at(
      "engine/raft/replication.test.ts",
      "moves `next` back never below what was acknowledged, and once per refusal (P39, P42)",
    ),
  ],
  P43: [
    at(
      "engine/raft/log.test.ts",
      "is durable only up to what is still in it: truncated and rewritten is another entry (P43)",
    ),
    at(
      "engine/raft/log.test.ts",
      "is not durable by an older job although the same entry came back (P43)",
    ),
  ],
  P44: [
    at(
      "engine/raft/durability.test.ts",
      "appends leave in parallel with the leader's own disk; its match does not (P44)",
    ),
    at(
      "engine/raft/durability.test.ts",
      "a single node commits nothing before it is durable (P44)",
    ),
  ],
  P45: [
    at(
      "engine/transport/message-codec.test.ts",
      "refuses integers above 2^53-1 instead of rounding them (P45)",
    ),
  ],
  P46: [
    at("engine/replica/stalls.test.ts", "a follower after %d ms ticks once (P46)"),
    at(
      "engine/replica/stalls.test.ts",
      "a leader after a pause below the election timeout leads on (P46)",
    ),
  ],
  P47: [
    at("engine/raft/quorum.test.ts", "agrees with the plain definition on any configuration (P47)"),
  ],
  P48: [
    at("engine/raft/quorum.test.ts", "more than half must agree, in clusters of one to nine (P48)"),
  ],
  P49: [
    at("engine/raft/election.test.ts", "a leader that no quorum answers steps down (P5, P49)"),
    at(
      "engine/raft/election.test.ts",
      "a leader that hears the others but is not heard is replaced (P49)",
    ),
  ],
  P50: [
    at(
      "engine/storage/sqlite-log.test.ts",
      "of another cluster is refused, although the node's name is the same (P50)",
    ),
    at("tests/contracts/transport.ts", "P31, P50: refuses a peer that shows"),
  ],
  P52: [
    at("engine/raft/durability.test.ts", "jobs are reported in order, or the node stops (P52)"),
    at("engine/storage/sqlite-log.test.ts", "refuses jobs out of their order as a bug (P52)"),
  ],
};

const root = join(import.meta.dir, "..");

describe("the pitfalls", () => {
  test("are all in the map", () => {
    const all = Array.from({ length: LAST }, (_, i) => `P${i + 1}`);

    expect(Object.keys(PITFALLS)).toEqual(all.filter((name) => !LEFT_OUT.includes(name)));
  });

  for (const [name, places] of Object.entries(PITFALLS)) {
    test(`${name} has its tests, which name it`, async () => {
      expect(places.length).toBeGreaterThan(0);
      for (const { file, title } of places) {
        const source = await Bun.file(join(root, file)).text();
        const isThere = source.includes(`"${title}"`) || source.includes(`\`${title} `);
        expect({ file, title, isThere }).toEqual({ file, title, isThere: true });
        expect(title).toMatch(new RegExp(`\\b${name}\\b`));
      }
    });
  }
});
