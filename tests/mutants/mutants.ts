/**
 * Deliberate bugs (reference/raft.md §6.4): each replaces one piece of the source. A mutant whose
 * piece is gone fails loudly: then the source has moved on, and the mutant must follow.
 *
 * Not in the list: M7 (a follower that commits beyond what an append verified) cannot be told from
 * the real one here, for this leader never probes below the point where the logs part; M32 needs a
 * follower that has lost what it acked; M17 and M23 need changes of membership, M27 snapshots.
 */
export type Mutant = {
  readonly id: string;
  readonly what: string;
  readonly layer: "core" | "node";
  readonly edits: readonly {
    readonly file: string;
    readonly find: string;
    readonly replace: string;
  }[];
};

const one = (
  id: string,
  what: string,
  edit: { readonly file: string; readonly find: string; readonly replace: string },
): Mutant => ({ id, what, layer: "core", edits: [edit] });

const node = (...mutant: Parameters<typeof one>): Mutant => ({ ...one(...mutant), layer: "node" });

const raft = (name: string): string => `engine/raft/${name}.ts`;

export const MUTANTS: readonly Mutant[] = [
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
    layer: "core",
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
  one("M26", "a leader without a quorum goes on", {
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
  one("D1", "a node that has lost durable entries votes all the same", {
    file: raft("election"),
    find: "canVote && core.damage === null && isUpToDate(core, vote)",
    replace: "canVote && isUpToDate(core, vote)",
  }),
  node("N2", "leases are renewed without a quorum round", {
    file: "engine/leader/heartbeats.ts",
    find: "this.#leadership.options.replica.readBarrier(",
    replace:
      "((done) => this.#leadership.soon(() => done(ok(this.#leadership.options.replica.view.appliedIndex))))(",
  }),
  node("N3", "the lease runs from the answer instead of from the sending", {
    file: "engine/executor/heartbeat-sender.ts",
    find: "(answer) => this.#onAnswer(sentAtMillis, answer)",
    replace: "(answer) => this.#onAnswer(clock.monotonicMillis(), answer)",
  }),
  node("N4", "a node is called lost before its lease has killed", {
    file: "engine/leader/watch-nodes.ts",
    find: ">= lostMillis)",
    replace: ">= lostMillis / 2)",
  }),
  node("N5", "attempts start before the log is applied as far as the lease was granted", {
    file: "engine/executor/lease.ts",
    find: "(grant) => grant.commitIndex <= applied)",
    replace: "(grant) => grant.commitIndex <= applied || true)",
  }),
  node("N6", "an attempt that is over takes another report", {
    file: "engine/state/commands/report-attempts.ts",
    find: "return mayBecome(attempt.state, report.phase) ||",
    replace: "return true ||",
  }),
  node("N7", "a submission is acknowledged when it enters the log", {
    file: "engine/replica/propose-batch.ts",
    find: "waiters.add(index, { term, expiresAtMillis, done: proposal.done });",
    replace:
      'proposal.done({ ok: true, value: { index, term, outcomes: [{ kind: "ok", index, existed: false }] } });',
  }),
  node("N8", "an assignment is not checked again at apply", {
    file: "engine/state/commands/assign-attempts.ts",
    find: "&& holds(job, node, assignment)) {",
    replace: ") {",
  }),
  node("N9", "a job that is being cancelled may still complete", {
    file: "engine/state/settle-job.ts",
    find: "isCancelling: run.cancelRequestedAt !== null,",
    replace: "isCancelling: false,",
  }),
  node("N10", "an answered read does not wait for apply", {
    file: "engine/replica/reads.ts",
    find: "filter((round) => round.index <= applied)",
    replace: "filter(() => true)",
  }),
];
