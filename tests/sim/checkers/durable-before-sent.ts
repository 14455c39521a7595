import type { Message, Status } from "../../../engine/raft/types.ts";
import { type Checker, type Member, must } from "../checker.ts";

const NAME = "durable before sent";

/**
 * No vote, ack or leadership leaves a node before what it rests on is durable there.
 * (reference/raft.md §3.3, sentences 4 and 5; property 11)
 */
export function durableBeforeSent(): Checker {
  return {
    name: NAME,
    onSend: (member, message) => {
      if (message.kind === "vote-reply") mustHaveVoted(member, message);
      if (message.kind === "append-reply") mustHaveAcked(member, message);
      if (message.kind === "vote") mustAdvertiseDurable(member, message);
    },
    onStatus: (member, status, before) => {
      if (status.role === "leader" && before?.role !== "leader") mustOwnItsVote(member, status);
    },
  };
}

function mustHaveVoted(member: Member, reply: Message & { kind: "vote-reply" }): void {
  if (reply.pre || !reply.granted) return;
  const { hardState } = member.disk.durable;
  const isPast = hardState !== null && hardState.term > reply.term;
  const hasVoted = hardState?.term === reply.term && hardState.votedFor === reply.to;
  must(isPast || hasVoted, NAME, () => {
    return `${member.nodeId} grants ${reply.to} its vote of term ${reply.term} before it is durable`;
  });
}

function mustHaveAcked(member: Member, reply: Message & { kind: "append-reply" }): void {
  if (reply.reject) return;
  const { durable } = member.disk;
  must(durable.lastIndex >= reply.index, NAME, () => {
    return `${member.nodeId} acks index ${reply.index}, durable up to ${durable.lastIndex}`;
  });
}

function mustAdvertiseDurable(member: Member, request: Message & { kind: "vote" }): void {
  must(member.disk.durable.termAt(request.lastIndex) === request.lastTerm, NAME, () => {
    return `${member.nodeId} asks for votes with index ${request.lastIndex}, not durable`;
  });
}

function mustOwnItsVote(member: Member, status: Status): void {
  const { hardState } = member.disk.durable;
  must(hardState?.term === status.term && hardState.votedFor === member.peerId, NAME, () => {
    return `${member.nodeId} leads term ${status.term} before its own vote is durable`;
  });
}
