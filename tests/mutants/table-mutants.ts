import { type Edit, inUnits, type Mutant, one, raft } from "./mutant.ts";

/** A probe that goes back one place further than it needs to, with one entry a message. */
const CAUTIOUS_PROBES: readonly Edit[] = [
  {
    file: raft("progress"),
    find: "const back = lesser(rejected, following(hint));",
    replace: "const back = lesser(rejected, hint);",
  },
  {
    file: raft("flush"),
    find: "return core.log.slice(next, core.log.lastIndex, core.options.maxMsgBytes);",
    replace: "return core.log.slice(next, core.log.lastIndex, 1);",
  },
];

const LOOSE_COMMIT: Edit = {
  file: raft("follower"),
  find: "commitTo(core, lesser(append.commit, verified));",
  replace: "commitTo(core, lesser(append.commit, core.log.lastIndex));",
};

/** The table of reference/raft.md §6.4. */
export const TABLE_MUTANTS: readonly Mutant[] = [
  one("M1", "the leader commits entries of earlier terms by counting", {
    file: raft("commit"),
    find: "if (agreed <= core.commit || core.log.termAt(agreed) !== core.term) return;",
    replace: "if (agreed <= core.commit) return;",
  }),
  one("M2", "a step-down in the same term forgets the vote", {
    file: raft("role"),
    find: "  if (term === core.term) return;\n",
    replace: "",
  }),
  one("M4", "append acks leave before the entries are durable", {
    file: raft("follower"),
    find: "sendWhenDurable(core, appendReply(core, request, { index, reject: false, lost: false }));",
    replace: "send(core, appendReply(core, request, { index, reject: false, lost: false }));",
  }),
  one("M5", "the leader counts its own entries before they are durable", {
    file: raft("core"),
    find: "(id === core.id ? core.log.durable :",
    replace: "(id === core.id ? core.log.lastIndex :",
  }),
  {
    id: "M6",
    what: "a heartbeat carries the commit index unbounded, and the follower believes it",
    noticedBy: "core",
    edits: [
      {
        file: raft("flush"),
        find: "commit: lesser(progress.match, core.commit),",
        replace: "commit: core.commit,",
      },
      {
        file: raft("follower"),
        find: "commitTo(core, lesser(heartbeat.commit, verifiedIndex(core)))",
        replace: "commitTo(core, lesser(heartbeat.commit, core.log.lastIndex))",
      },
    ],
  },
  one("M9", "every append with entries truncates, even a late duplicate", {
    file: raft("follower"),
    find: "  const conflict = entries[firstNew];\n",
    replace: "  const conflict = entries[firstNew] ?? entries.at(-1);\n",
  }),
  one("M10", "an older ack moves match back", {
    file: raft("progress"),
    find: "progress.match = greater(progress.match, index);",
    replace: "progress.match = index;",
  }),
  one("M13", "up to date compares the index before the term", {
    file: raft("election"),
    find: "if (vote.lastTerm !== lastTerm) return vote.lastTerm > lastTerm;",
    replace: "if (vote.lastIndex !== lastIndex) return vote.lastIndex > lastIndex;",
  }),
  one("M14", "an equal log is not up to date", {
    file: raft("election"),
    find: "return vote.lastIndex >= lastIndex;",
    replace: "return vote.lastIndex > lastIndex;",
  }),
  one("M15", "half of the voters are a quorum", {
    file: raft("quorum"),
    find: "Math.floor(size / 2) + 1;",
    replace: "Math.max(1, Math.floor(size / 2));",
  }),
  one("M18", "no no-op at election", {
    file: raft("election"),
    find: '  appendOwn(core, "noop", new Uint8Array(0));\n',
    replace: "",
  }),
  one("M19", "reads are served before a commit of the own term", {
    file: raft("read-index"),
    find: "  if (core.log.termAt(core.commit) !== core.term) return;\n",
    replace: "",
  }),
  one("M20", "reads are confirmed without a quorum", {
    file: raft("read-index"),
    find: "const confirmed = agreedValue(core.conf, core.readAckOf);",
    replace: "const confirmed = core.reads.seq;",
  }),
  inUnits("election", "M26", "a leader without a quorum goes on", {
    file: raft("tick"),
    find: "if (core.options.checkQuorum && !hasQuorum)",
    replace: "if (core.options.checkQuorum && !hasQuorum && core.id < 0)",
  }),
  one("M29", "apply runs ahead of the own disk", {
    file: raft("apply"),
    find: "lesser(lesser(core.commit, core.log.durable), room)",
    replace: "lesser(core.commit, room)",
  }),
  one("M34", "a restart forgets the vote", {
    file: raft("core"),
    find: "votedFor: hardState.votedFor",
    replace: "votedFor: NOBODY",
  }),
  {
    id: "M7",
    what: "a follower commits as far as the leader has, in its own log, not in what was verified",
    noticedBy: "core",
    // Alone it cannot be told from the real one: hints never take this leader's probes below the
    // place where the logs part, so what an append carries replaces a divergent tail at once. A
    // leader that probes one place lower, and one entry at a time, is as legal.
    edits: [...CAUTIOUS_PROBES, LOOSE_COMMIT],
  },
  one("M17", "while joint, the outgoing half alone elects", {
    file: raft("quorum"),
    find: '  return incoming === "won" && outgoing === "won" ? "won" : "pending";',
    replace: "  return outgoing;",
  }),
  one("M23", "a second change of membership may follow before the first is committed", {
    file: raft("membership"),
    find: "core.pendingConfs.length === 0 && core.commit >= core.electionIndex;",
    replace: "core.commit >= core.electionIndex;",
  }),
  inUnits("election", "M25", "who hears a leader takes part in elections", {
    file: raft("step"),
    find: "if (!message.transfer && hearsAnotherLeader(core, message)) return false;",
    replace:
      "if (!message.transfer && hearsAnotherLeader(core, message) && core.id < 0) return false;",
  }),
  inUnits("snapshot", "M27", "a snapshot's install keeps the log without looking at its term", {
    file: raft("snapshot"),
    find: "if (core.log.termAt(snapshot.index) === snapshot.term) commitTo",
    replace: "if (core.log.termAt(snapshot.index) !== null) commitTo",
  }),
  {
    id: "M30",
    what: "a transfer outlives the leadership, and its deadline with it",
    noticedBy: { tests: raft("transfer.test") },
    // With its deadline alone the flag would be cleared within an election timeout: no harm.
    edits: [
      {
        file: raft("transfer"),
        find: "  core.transfer.watched = core.transfer.target;\n  core.transfer.target = NOBODY;\n",
        replace: "  core.transfer.watched = core.transfer.target;\n",
      },
      {
        file: raft("transfer"),
        find: "  if (transfer.target !== NOBODY) {\n    const match",
        replace: "  if (transfer.target < 0) {\n    const match",
      },
    ],
  },
  {
    id: "M32",
    what: "a rejection, be it stale, moves next below match",
    noticedBy: "core",
    edits: [
      {
        file: raft("progress"),
        find: 'if (progress.state !== "probe" || rejected !== progress.next - 1) return false;',
        replace: 'if (progress.state !== "probe") return false;',
      },
      {
        file: raft("progress"),
        find: "progress.next = greater(back, following(progress.match));",
        replace: "progress.next = greater(back, following(ZERO));",
      },
    ],
  },
];
