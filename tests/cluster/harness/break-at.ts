import { InvariantError } from "../../../engine/lib/assert.ts";
import { RaftLog } from "../../../engine/raft/log.ts";

/** Loaded before nl: its Raft log breaks an invariant when this job is durable. */
const breaksAt = Number(process.env["NL_BREAK_AT"]);

const { persisted } = RaftLog.prototype;
RaftLog.prototype.persisted = function (seq) {
  if (seq >= breaksAt) throw new InvariantError("broken by the test");
  persisted.call(this, seq);
};
