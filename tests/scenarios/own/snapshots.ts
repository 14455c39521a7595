import type { Block } from "../scenario.ts";
import {
  awaitingSnapshot,
  data,
  elected,
  follows,
  hard,
  noop,
  replicating,
  state,
} from "./words.ts";

type Scenarios = Readonly<Record<string, readonly Block[]>>;

/** 1 and 2 run; 3 is a voter that does not exist yet. Node 1 leads, 11 is committed. */
const withoutThird: readonly Block[] = [
  { cmd: "add-nodes 2 voters=(1,2,3) index=10" },
  { cmd: "campaign 1" },
  { cmd: "stabilize", hs: { "1": hard(1, 1, 11), "2": hard(1, 1, 11) } },
];

export const SNAPSHOTS: Scenarios = {
  "an acknowledgement ends the wait for a snapshot": [
    { cmd: "log-level none" },
    { cmd: "_breakpoint" },
    ...withoutThird,
    { cmd: "compact 1 11" },
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "add-nodes 1" },
    { cmd: "raft-state", raftstate: { "3": state(follows(0), 0, false) } },
    { cmd: "tick-heartbeat 1" },
    { cmd: "process-ready 1" },
    { cmd: "stabilize 3", soft: { "3": follows(1) }, hs: { "3": hard(1, 0, 0) } },
    { cmd: "stabilize 1" },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(11), "2": replicating(11), "3": awaitingSnapshot(0) } },
    },
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", hs: { "1": hard(1, 1, 12) } },
    { cmd: "deliver-msgs 3" },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1) } },
    { cmd: "process-ready 3", hs: { "3": hard(1, 0, 11) } },
    { cmd: "stabilize", entries: { "3": [data(1, 12, "a")] }, hs: { "3": hard(1, 0, 12) } },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(12), "2": replicating(12), "3": replicating(12) } },
    },
  ],

  "any snapshot will do that lets replication go on, even an older one than was sent (P34)": [
    ...withoutThird,
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "add-nodes 1" },
    { cmd: "tick-heartbeat 1" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs drop=(3)" },
    // By hand, of index 11; the leader's own will be of 12.
    { cmd: "send-snapshot 1 3" },
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", committed: { "1": [data(1, 12, "a")] } },
    { cmd: "compact 1 11", raftlog: { "1": [data(1, 12, "a")] } },
    { cmd: "tick-heartbeat 1" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 3 type=MsgHeartbeat" },
    { cmd: "process-ready 3" },
    { cmd: "deliver-msgs 1" },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(12), "2": replicating(12), "3": awaitingSnapshot(0) } },
    },
    { cmd: "deliver-msgs 3 type=MsgSnap" },
    { cmd: "process-ready 3", hs: { "3": hard(1, 0, 11) } },
    { cmd: "raft-log 3", raftlog: { "3": [] } },
    // The leader's own snapshot is lost.
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "stabilize", committed: { "3": [data(1, 12, "a")] } },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(12), "2": replicating(12), "3": replicating(12) } },
    },
  ],

  "a follower that was compacted past while entries were under way is sent a snapshot": [
    ...elected(3, "inflight=2"),
    { cmd: "propose 1 a" },
    { cmd: "propose 1 b" },
    { cmd: "propose 1 c" },
    { cmd: "propose 1 d" },
    { cmd: "stabilize 1 2", hs: { "1": hard(1, 1, 15) } },
    { cmd: "compact 1 15" },
    { cmd: "deliver-msgs 3 type=MsgApp" },
    { cmd: "process-ready 3", entries: { "3": [data(1, 12, "a"), data(1, 13, "b")] } },
    { cmd: "deliver-msgs 1" },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(15), "2": replicating(15), "3": awaitingSnapshot(13) } },
    },
    { cmd: "stabilize", hs: { "3": hard(1, 1, 15) } },
    {
      cmd: "status 1",
      status: { "1": { "1": replicating(15), "2": replicating(15), "3": replicating(15) } },
    },
    { cmd: "raft-log 3", raftlog: { "3": [] } },
  ],

  "a snapshot of what is there already only moves the commit index": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 2 3" },
    { cmd: "process-ready 2 3" },
    { cmd: "deliver-msgs 1" },
    { cmd: "process-ready 1", committed: { "1": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "send-snapshot 1 3" },
    { cmd: "deliver-msgs 3" },
    {
      cmd: "process-ready 3",
      hs: { "3": hard(1, 1, 12) },
      committed: { "3": [data(1, 12, "a")] },
    },
    { cmd: "raft-log 3", raftlog: { "3": [noop(1, 11), data(1, 12, "a")] } },
  ],
};
