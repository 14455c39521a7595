import { inUnits, type Mutant, one, raft } from "./mutant.ts";

/** More bugs, after the pitfalls and contracts of reference/raft.md. */
export const OWN_MUTANTS: readonly Mutant[] = [
  inUnits("damage", "D1", "a node that has lost durable entries votes all the same", {
    file: raft("election"),
    find: "canVote && core.damage === null && isUpToDate(core, vote)",
    replace: "canVote && isUpToDate(core, vote)",
  }),
  inUnits("membership", "X1", "P11: replies of an older session count", {
    file: raft("replication"),
    find: "progress === undefined || progress.session !== reply.session",
    replace: "progress === undefined",
  }),
  inUnits("damage", "X3", "a damaged node is whole before its disk is", {
    file: raft("damage"),
    find: "  if (core.log.durable < damage.wholeAt) return;\n",
    replace: "",
  }),
  inUnits("damage", "X4", "a damaged node confirms reads", {
    file: raft("follower"),
    find: "core.damage === null ? heartbeat.readSeq : 0",
    replace: "heartbeat.readSeq",
  }),
  inUnits("damage", "X5", "a damaged node acknowledges in the session that knew it whole", {
    file: raft("damage"),
    find: "return message.session <= damage.lostSession;",
    replace: "return false;",
  }),
  one("X6", "P5: a follower's read is answered without a round", {
    file: raft("read-index"),
    find: 'if (core.role === "leader") queueRead(core, read);',
    replace: 'if (core.role === "leader") answer(core, read, core.commit);',
  }),
  one("X7", "P5: a follower answers reads by itself", {
    file: raft("read-index"),
    find: "  core.reads.forwarded.push({ ctx, tick: core.tickCount });\n",
    replace: "  core.out.reads.push({ ctx, index: core.commit });\n  if (ctx > 0) return;\n",
  }),
  inUnits("election", "X8", "P23: the target of a transfer needs no log as long as ours", {
    file: raft("election"),
    find: "core.damage === null && isUpToDate(core, vote)",
    replace: "core.damage === null && (vote.transfer || isUpToDate(core, vote))",
  }),
  one("X9", "P41: a heartbeat's answer frees no probe", {
    file: raft("replication"),
    find: "  progress.paused = false;\n",
    replace: "",
  }),
  inUnits("replication", "X10", "P40: bytes in flight are never given back", {
    file: raft("progress"),
    find: "    progress.inflightBytes -= progress.inflight[0].bytes;\n",
    replace: "",
  }),
  one("X11", "P12: a commit index alone is not written", {
    file: raft("persist"),
    find: "old.votedFor === votedFor && old.commit === commit;",
    replace: "old.votedFor === votedFor;",
  }),
  inUnits("membership", "X12", "P13: a new leader changes the membership before it has committed", {
    file: raft("membership"),
    find: "core.pendingConfs.length === 0 && core.commit >= core.electionIndex;",
    replace: "core.pendingConfs.length === 0;",
  }),
  one("X13", "while joint, the incoming half alone commits", {
    file: raft("quorum"),
    find: "  return Math.min(incoming, majorityValue(conf.votersOutgoing, reachedBy));",
    replace: "  return incoming;",
  }),
  one("X14", "P15: a joint configuration is never left by itself", {
    file: raft("membership"),
    find: "  if (!canChangeConf(core) || core.transfer.target !== NOBODY) return;\n",
    replace: "  if (core.id > 0) return;\n",
  }),
  one("X15", "learners count for commits", {
    file: raft("quorum"),
    find: "const incoming = majorityValue(conf.voters, reachedBy);",
    replace: "const incoming = majorityValue([...conf.voters, ...conf.learners], reachedBy);",
  }),
  one("X16", "P27: a snapshot is acknowledged before it is on disk", {
    file: raft("snapshot"),
    find: "  acknowledge(core, message, core.commit);\n}\n",
    replace:
      "  send(core, appendReply(core, message, { index: core.commit, reject: false, lost: false }));\n}\n",
  }),
  inUnits("snapshot", "X17", "P32: entries are applied while a snapshot is being restored", {
    file: raft("apply"),
    find: "  if (apply.restoring !== ZERO) return NOTHING;\n",
    replace: "",
  }),
  inUnits("snapshot", "X18", "P34: a snapshot that could not be shipped is waited for", {
    file: raft("snapshot"),
    find: "  if (!sent.ok) progress.pendingSnapshot = progress.match;\n",
    replace: "  if (!sent.ok) return;\n",
  }),
  one("X19", "P43: a truncation leaves the jobs under way as they were", {
    file: raft("log"),
    find: "    for (const job of this.#underWay) job.last = lesser(job.last, last);\n",
    replace: "",
  }),
  one("X20", "P43: what was truncated stays durable", {
    file: raft("log"),
    find: "    this.#durable = lesser(this.#durable, last);\n",
    replace: "",
  }),
  one("X21", "P27: a vote leaves before it is on disk", {
    file: raft("election"),
    find: "sendWhenDurable(core, voteReply(core, { to: vote.from, pre: false, granted }));",
    replace: "send(core, voteReply(core, { to: vote.from, pre: false, granted }));",
  }),
  one("X22", "the own vote counts before it is on disk", {
    file: raft("election"),
    find: "  sendWhenDurable(core, voteReply(core, { to: core.id, pre: false, granted: true }));",
    replace: "  core.ownVoteDurable = true;\n  tally(core, core.id, true);",
  }),
  one("X23", "a job with a vote is not synced", {
    file: raft("persist"),
    find: "next !== null && (next.term !== old.term || next.votedFor !== old.votedFor);",
    replace: "next !== null && next.term !== old.term;",
  }),
  one("X24", "a restart takes all that is in the log for committed", {
    file: raft("boot-state"),
    find: "return lesser(greater(known, boot.applied), lastIndex);",
    replace: "return known > lastIndex ? lastIndex : lastIndex;",
  }),
  one("X25", "P36: what was handed out is handed out again", {
    file: raft("apply"),
    find: "  if (last !== undefined) apply.handedOut = last.index;\n",
    replace: "",
  }),
  one("X26", "P20: a pre-vote is noted as a vote", {
    file: raft("election"),
    find: "  if (vote.pre) {\n",
    replace: "  if (vote.pre) {\n    core.votedFor = vote.from;\n",
  }),
  one("X27", "P20: the answer to a pre-vote counts as a vote", {
    file: raft("election"),
    find: 'if (core.role !== (reply.pre ? "precandidate" : "candidate")) return;',
    replace: 'if (core.role !== "candidate" && core.role !== "precandidate") return;',
  }),
  inUnits("replication", "X28", "P38: what is truncated is reported as lost", {
    file: raft("own-entries"),
    find: "    if (own.first > core.commit) continue;\n    const last = lesser(own.last, core.commit);",
    replace:
      "    if (own.term < core.term) core.out.dropped.push({ index: own.last, term: own.term });\n    if (own.first > core.commit) continue;\n    const last = lesser(own.last, core.commit);",
  }),
  inUnits("election", "X29", "P19: a leader of the past is not told the present term", {
    file: raft("step"),
    find: "if (isFromLeader(message)) informOldLeader(core, message);",
    replace: "if (isFromLeader(message)) return;",
  }),
];
