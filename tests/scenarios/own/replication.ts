import type { Block } from "../scenario.ts";
import {
  data,
  elected,
  follows,
  hard,
  leads,
  noop,
  probed,
  replicating,
  stands,
  state,
} from "./words.ts";

type Scenarios = Readonly<Record<string, readonly Block[]>>;

const seen = (one: number, two: number, three: number): Block => ({
  cmd: "status 1",
  status: { "1": { "1": replicating(one), "2": replicating(two), "3": replicating(three) } },
});

export const REPLICATION: Scenarios = {
  "entries and their commit travel step by step": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs 2 3" },
    { cmd: "process-ready 2 3", entries: { "2": [data(1, 12, "a")], "3": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs 1 type=MsgAppResp" },
    seen(12, 12, 12),
    {
      cmd: "process-ready 1",
      hs: { "1": hard(1, 1, 12) },
      committed: { "1": [data(1, 12, "a")] },
    },
    { cmd: "deliver-msgs 2" },
    {
      cmd: "process-ready 2",
      hs: { "2": hard(1, 1, 12) },
      committed: { "2": [data(1, 12, "a")] },
    },
    { cmd: "raft-log 3", raftlog: { "3": [noop(1, 11), data(1, 12, "a")] } },
  ],

  "a follower hands out in one step what it appends and learns to be committed": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", committed: { "1": [data(1, 12, "a")], "2": [data(1, 12, "a")] } },
    { cmd: "propose 1 b" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 3" },
    {
      cmd: "process-ready 3",
      hs: { "3": hard(1, 1, 12) },
      entries: { "3": [data(1, 12, "a"), data(1, 13, "b")] },
      committed: { "3": [data(1, 12, "a")] },
    },
  ],

  "one proposal, one message: types are dropped and delivered apart": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "propose 1 b" },
    { cmd: "tick-heartbeat 1" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 12, "a"), data(1, 13, "b")] } },
    { cmd: "deliver-msgs type=MsgApp drop=(2,3)" },
    { cmd: "deliver-msgs 2 3 type=MsgHeartbeat" },
    { cmd: "process-ready 2 3" },
    seen(13, 11, 11),
    // The answers show that something is missing: an empty append is refused, then all is sent.
    { cmd: "deliver-msgs 1 type=MsgHeartbeatResp" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 2 type=MsgApp" },
    { cmd: "process-ready 2" },
    { cmd: "deliver-msgs 1" },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(13), "2": probed(11), "3": replicating(11) } },
    },
    {
      cmd: "stabilize 1 2",
      entries: { "2": [data(1, 12, "a"), data(1, 13, "b")] },
      hs: { "1": hard(1, 1, 13), "2": hard(1, 1, 13) },
    },
    seen(13, 13, 11),
  ],

  "a lost commit index comes with the next heartbeat": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", committed: { "2": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs 3" },
    { cmd: "process-ready 3", entries: { "3": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs drop=(1)" },
    seen(12, 12, 11),
    { cmd: "tick-heartbeat 1" },
    { cmd: "stabilize 1 3" },
    seen(12, 12, 12),
    { cmd: "raft-log 3", raftlog: { "3": [noop(1, 11), data(1, 12, "a")] } },
  ],

  "an unreachable follower is probed until it answers a heartbeat": [
    ...elected(3),
    { cmd: "report-unreachable 1 3" },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(11), "2": replicating(11), "3": probed(11) } },
    },
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", hs: { "2": hard(1, 1, 12) } },
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "tick-heartbeat 1" },
    { cmd: "stabilize", entries: { "3": [data(1, 12, "a")] }, hs: { "3": hard(1, 1, 12) } },
    seen(12, 12, 12),
  ],

  "a full window pauses a follower; a heartbeat's answer gets it going": [
    ...elected(3, "inflight=2"),
    { cmd: "propose 1 a" },
    { cmd: "propose 1 b" },
    { cmd: "propose 1 c" },
    { cmd: "stabilize 1 2", hs: { "1": hard(1, 1, 14), "2": hard(1, 1, 14) } },
    seen(14, 14, 11),
    // The first two are lost; the third was never sent.
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "stabilize" },
    { cmd: "raft-log 3", raftlog: { "3": [noop(1, 11)] } },
    { cmd: "tick-heartbeat 1" },
    {
      cmd: "stabilize",
      hs: { "3": hard(1, 1, 14) },
      entries: { "3": [data(1, 12, "a"), data(1, 13, "b"), data(1, 14, "c")] },
      committed: { "3": [data(1, 12, "a"), data(1, 13, "b"), data(1, 14, "c")] },
    },
    seen(14, 14, 14),
  ],

  "an acknowledgement opens a full window again": [
    ...elected(3, "inflight=1"),
    { cmd: "propose 1 a" },
    { cmd: "propose 1 b" },
    { cmd: "propose 1 c" },
    {
      cmd: "process-ready 1",
      entries: { "1": [data(1, 12, "a"), data(1, 13, "b"), data(1, 14, "c")] },
    },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2", entries: { "2": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs 1" },
    { cmd: "process-ready 1", hs: { "1": hard(1, 1, 12) } },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2", entries: { "2": [data(1, 13, "b"), data(1, 14, "c")] } },
  ],

  "a new leader overwrites what an old one left, term by term": [
    ...elected(5),
    // 1 and 2 get entries that nobody else sees, in two terms.
    { cmd: "propose 1 a" },
    { cmd: "propose 1 b" },
    { cmd: "stabilize 1 2", entries: { "2": [data(1, 12, "a"), data(1, 13, "b")] } },
    { cmd: "deliver-msgs drop=(3,4,5)" },
    { cmd: "campaign 3" },
    { cmd: "stabilize 3 4 5", soft: { "3": leads(3), "4": follows(3), "5": follows(3) } },
    { cmd: "propose 3 x" },
    { cmd: "stabilize 3 4 5", hs: { "3": hard(2, 3, 13), "4": hard(2, 3, 13) } },
    {
      cmd: "raft-log 4",
      raftlog: { "4": [noop(1, 11), noop(2, 12), data(2, 13, "x")] },
    },
    { cmd: "stabilize 3 1", entries: { "1": [noop(2, 12), data(2, 13, "x")] } },
    { cmd: "stabilize", committed: { "2": [noop(2, 12), data(2, 13, "x")] } },
    {
      cmd: "status 3",
      status: {
        "3": {
          "1": replicating(13),
          "2": replicating(13),
          "3": replicating(13),
          "4": replicating(13),
          "5": replicating(13),
        },
      },
    },
    { cmd: "raft-log 2", raftlog: { "2": [noop(1, 11), noop(2, 12), data(2, 13, "x")] } },
    { cmd: "raft-state", raftstate: { "1": state(follows(3), 2), "3": state(leads(3), 2) } },
  ],

  "a leader finds where each follower's log parts from its own (Raft, figure 7)": [
    ...elected(5),
    // An entry of term 1 on 1 and 5 only, then a leader of term 2 whose entry nobody gets.
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 5", entries: { "5": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs drop=(2,3,4)" },
    { cmd: "campaign 2" },
    { cmd: "process-ready 2" },
    { cmd: "deliver-msgs 3 4 drop=(1,5)" },
    { cmd: "process-ready 3 4", hs: { "3": hard(2, 2, 11), "4": hard(2, 2, 11) } },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2", soft: { "2": leads(2) }, entries: { "2": [noop(2, 12)] } },
    { cmd: "deliver-msgs drop=(1,3,4,5)" },
    // In term 2 those two have voted; in term 3 they may again.
    { cmd: "campaign 5" },
    { cmd: "stabilize 3 4 5", soft: { "5": stands }, hs: { "5": hard(2, 5, 11) } },
    { cmd: "campaign 5" },
    {
      cmd: "stabilize 3 4 5",
      soft: { "3": follows(5), "4": follows(5), "5": leads(5) },
      hs: { "3": hard(3, 5, 13), "5": hard(3, 5, 13) },
      entries: { "3": [data(1, 12, "a"), noop(3, 13)], "5": [noop(3, 13)] },
    },
    {
      cmd: "status 5",
      status: {
        "5": {
          "1": probed(0),
          "2": probed(0),
          "3": replicating(13),
          "4": replicating(13),
          "5": replicating(13),
        },
      },
    },
    { cmd: "raft-log 2", raftlog: { "2": [noop(1, 11), noop(2, 12)] } },
    {
      cmd: "stabilize 5 2",
      soft: { "2": follows(5) },
      hs: { "2": hard(3, 0, 13) },
      entries: { "2": [data(1, 12, "a"), noop(3, 13)] },
    },
    { cmd: "stabilize 5 1", entries: { "1": [noop(3, 13)] }, hs: { "1": hard(3, 5, 13) } },
    { cmd: "raft-log 2", raftlog: { "2": [noop(1, 11), data(1, 12, "a"), noop(3, 13)] } },
  ],

  "committed entries are handed out in pieces when a step has a size": [
    ...elected(3, "max-committed-size-per-ready=10"),
    { cmd: "propose 1 aaaa" },
    { cmd: "propose 1 bbbb" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2" },
    { cmd: "deliver-msgs 1" },
    { cmd: "process-ready 1", committed: { "1": [data(1, 12, "aaaa")] } },
    { cmd: "process-ready 1", committed: { "1": [data(1, 13, "bbbb")] } },
  ],
};
