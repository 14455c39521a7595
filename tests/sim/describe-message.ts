import type { ConfState, Message } from "../../engine/raft/types.ts";

/** One line of the trace: who sends what to whom. */
export function describeMessage(message: Message): string {
  const head = `n${message.from} > n${message.to} ${message.kind} t${message.term}`;
  switch (message.kind) {
    case "append": {
      const { prevIndex, prevTerm, entries, commit } = message;
      return `${head} prev ${prevIndex}/${prevTerm} +${entries.length} commit ${commit}`;
    }
    case "append-reply":
      return `${head} ${message.reject ? `rejects, hint ${message.hintIndex}` : "acks"} ${message.index}`;
    case "vote":
      return `${head}${message.pre ? " pre" : ""} last ${message.lastIndex}/${message.lastTerm}`;
    case "vote-reply":
      return `${head}${message.pre ? " pre" : ""} ${message.granted ? "granted" : "refused"}`;
    case "snapshot":
      return `${head} ${message.snapshot.id}`;
    default:
      return head;
  }
}

/** Voters, outgoing voters while joint, learners, and those who become learners. */
export function describeConf(conf: ConfState): string {
  const joint = conf.votersOutgoing.length === 0 ? "" : ` from ${conf.votersOutgoing.join(" ")}`;
  const next = conf.learnersNext.length === 0 ? "" : ` and then ${conf.learnersNext.join(" ")}`;
  const leaves = joint !== "" && !conf.autoLeave ? ", until told" : "";
  return `${conf.voters.join(" ")}${joint}, learners ${conf.learners.join(" ")}${next}${leaves}`;
}
