import type { Block } from "../scenario.ts";
import { asks, data, elected, follows, hard, leads, noop, stands, state } from "./words.ts";

type Scenarios = Readonly<Record<string, readonly Block[]>>;

export const ELECTIONS: Scenarios = {
  "one node elects itself in three steps": [
    { cmd: "add-nodes 1 voters=(1) index=4" },
    { cmd: "tick-election 1" },
    { cmd: "campaign 1" },
    { cmd: "process-ready 1", soft: { "1": stands }, hs: { "1": hard(1, 1, 4) } },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1) } },
    { cmd: "process-ready 1", soft: { "1": leads(1) }, entries: { "1": [noop(1, 5)] } },
    { cmd: "process-ready 1", hs: { "1": hard(1, 1, 5) }, committed: { "1": [noop(1, 5)] } },
    { cmd: "raft-log 1", raftlog: { "1": [noop(1, 5)] } },
  ],

  "a node campaigns once its own timeout is over, and not before": [
    { cmd: "add-nodes 3 voters=(1,2,3) index=10" },
    { cmd: "set-randomized-election-timeout 2 timeout=5" },
    { cmd: "tick-election 2" },
    { cmd: "tick-heartbeat 2" },
    { cmd: "raft-state", raftstate: { "2": state(follows(0), 0) } },
    { cmd: "tick-heartbeat 2" },
    { cmd: "raft-state", raftstate: { "2": state(stands, 1) } },
    { cmd: "stabilize", soft: { "2": leads(2), "1": follows(2), "3": follows(2) } },
  ],

  "a vote is refused to a log that is behind, but its term is taken": [
    ...elected(3),
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", entries: { "2": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs drop=(3)" },
    { cmd: "campaign 3" },
    { cmd: "stabilize 3 2", hs: { "3": hard(2, 3, 11), "2": hard(2, 0, 12) } },
    { cmd: "stabilize", hs: { "1": hard(2, 0, 12) }, soft: { "1": follows(0) } },
    { cmd: "raft-state", raftstate: { "3": state(follows(0), 2), "2": state(follows(0), 2) } },
    { cmd: "campaign 2" },
    {
      cmd: "stabilize",
      soft: { "1": follows(2), "2": leads(2), "3": follows(2) },
      hs: { "1": hard(3, 2, 13), "2": hard(3, 2, 13), "3": hard(3, 2, 13) },
      entries: { "3": [data(1, 12, "a"), noop(3, 13)] },
    },
  ],

  "a learner that was promoted votes, though it has not heard of it": [
    { cmd: "add-nodes 3 voters=(1,2) learners=(3) index=2" },
    { cmd: "campaign 1" },
    { cmd: "stabilize", committed: { "3": [noop(1, 3)] } },
    { cmd: "campaign 3" },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1, false) } },
    { cmd: "propose-conf-change 1\nv3" },
    { cmd: "stabilize 1 2", hs: { "2": hard(1, 1, 4) } },
    { cmd: "deliver-msgs drop=(3)" },
    {
      cmd: "raft-state",
      raftstate: { "2": state(follows(1), 1), "3": state(follows(1), 1, false) },
    },
    { cmd: "campaign 2" },
    { cmd: "process-ready 2", soft: { "2": stands }, hs: { "2": hard(2, 2, 4) } },
    { cmd: "deliver-msgs 3" },
    { cmd: "process-ready 3", soft: { "3": follows(0) }, hs: { "3": hard(2, 2, 3) } },
    { cmd: "stabilize 2 3", soft: { "2": leads(2), "3": follows(2) } },
    {
      cmd: "raft-state",
      raftstate: { "2": state(leads(2), 2), "3": state(follows(2), 2) },
    },
  ],

  "a pre-vote that cannot win changes no term": [
    ...elected(3, "prevote=true"),
    { cmd: "propose 1 a" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs 2 drop=(3)" },
    { cmd: "process-ready 2", entries: { "2": [data(1, 12, "a")] } },
    { cmd: "campaign 3" },
    { cmd: "process-ready 3", soft: { "3": asks } },
    { cmd: "deliver-msgs 1 2" },
    { cmd: "process-ready 1 2" },
    { cmd: "deliver-msgs 3" },
    {
      cmd: "raft-state",
      raftstate: {
        "1": state(leads(1), 1),
        "2": state(follows(1), 1),
        "3": state(follows(1), 1),
      },
    },
  ],

  "check-quorum: who hears a leader takes part in no election": [
    ...elected(3, "checkquorum=true"),
    { cmd: "campaign 3" },
    { cmd: "stabilize", soft: { "3": stands }, hs: { "3": hard(2, 3, 11) } },
    {
      cmd: "raft-state",
      raftstate: {
        "1": state(leads(1), 1),
        "2": state(follows(1), 1),
        "3": state(stands, 2),
      },
    },
    // The candidate's answer to a heartbeat of the old term ends the leadership.
    { cmd: "tick-heartbeat 1" },
    { cmd: "stabilize", soft: { "1": follows(0) }, hs: { "1": hard(2, 0, 11) } },
    { cmd: "raft-state", raftstate: { "1": state(follows(0), 2), "2": state(follows(1), 1) } },
    // Two do not hear a leader any more: enough.
    { cmd: "campaign 3" },
    { cmd: "stabilize", soft: { "1": follows(3), "2": follows(3), "3": leads(3) } },
  ],

  "check-quorum: a leader that hears nobody steps down at its second timeout": [
    ...elected(3, "checkquorum=true"),
    { cmd: "tick-election 1" },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1) } },
    { cmd: "tick-election 1" },
    { cmd: "raft-state", raftstate: { "1": state(follows(0), 1) } },
    // Its heartbeats of that time still arrive: 3 does not vote yet, but the old leader does.
    { cmd: "stabilize", soft: { "1": follows(0) } },
    { cmd: "campaign 2" },
    { cmd: "stabilize 2 3", soft: { "2": stands }, hs: { "2": hard(2, 2, 11) } },
    { cmd: "raft-state", raftstate: { "2": state(stands, 2), "3": state(follows(1), 1) } },
    { cmd: "stabilize", soft: { "1": follows(2), "2": leads(2), "3": follows(2) } },
  ],

  "check-quorum: nor does a follower vote for the leader it hears": [
    ...elected(3, "checkquorum=true"),
    { cmd: "tick-election 1" },
    { cmd: "deliver-msgs drop=(2,3)" },
    { cmd: "tick-election 1" },
    { cmd: "process-ready 1" },
    { cmd: "deliver-msgs drop=(2,3)" },
    { cmd: "raft-state", raftstate: { "1": state(follows(0), 1) } },
    { cmd: "campaign 1" },
    { cmd: "stabilize" },
    { cmd: "raft-state", raftstate: { "1": state(stands, 2), "2": state(follows(1), 1) } },
    { cmd: "set-randomized-election-timeout 2 timeout=5" },
    { cmd: "set-randomized-election-timeout 3 timeout=5" },
    { cmd: "tick-election 2" },
    { cmd: "campaign 1" },
    { cmd: "stabilize", soft: { "1": leads(1), "2": follows(1) } },
  ],

  "pre-vote with check-quorum: the lease covers questions as well": [
    ...elected(3, "prevote=true checkquorum=true"),
    { cmd: "campaign 2" },
    { cmd: "stabilize", soft: { "2": asks } },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1), "2": state(asks, 1) } },
    { cmd: "tick-heartbeat 1" },
    { cmd: "stabilize", soft: { "2": follows(1) } },
    // Nobody has heard the leader for a timeout: 3 agrees, then even the leader must.
    { cmd: "set-randomized-election-timeout 3 timeout=5" },
    { cmd: "tick-election 3" },
    { cmd: "campaign 2" },
    { cmd: "stabilize", soft: { "1": follows(2), "2": leads(2), "3": follows(2) } },
  ],

  "pre-vote with check-quorum: who forgets its leader may let another ask": [
    ...elected(3, "prevote=true checkquorum=true"),
    { cmd: "campaign 3" },
    { cmd: "stabilize 3", soft: { "3": asks } },
    { cmd: "stabilize" },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1), "3": state(asks, 1) } },
    { cmd: "forget-leader 2" },
    { cmd: "raft-state", raftstate: { "2": state(follows(0), 1) } },
    { cmd: "campaign 3" },
    { cmd: "stabilize 2 3", soft: { "2": follows(3), "3": leads(3) } },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1), "3": state(leads(3), 2) } },
    { cmd: "stabilize", soft: { "1": follows(3) }, hs: { "1": hard(2, 0, 12) } },
  ],

  "reads by lease keep a follower from forgetting": [
    ...elected(3, "checkquorum=true read-only=lease-based"),
    { cmd: "forget-leader 2", text: ["ignored"] },
    { cmd: "raft-state", raftstate: { "2": state(follows(1), 1) } },
  ],

  "a transfer moves leadership past the lease, and stops proposals": [
    ...elected(3, "prevote=true checkquorum=true"),
    { cmd: "propose 1 a" },
    { cmd: "process-ready 1" },
    { cmd: "transfer-leadership from=1 to=3" },
    { cmd: "propose 1 b", text: ["raft proposal dropped"] },
    { cmd: "propose-conf-change 1\nl4", text: ["raft proposal dropped"] },
    {
      cmd: "stabilize",
      soft: { "1": follows(3), "2": follows(3), "3": leads(3) },
      hs: { "1": hard(2, 3, 13) },
      entries: { "3": [data(1, 12, "a"), noop(2, 13)] },
    },
    { cmd: "raft-log 1", raftlog: { "1": [noop(1, 11), data(1, 12, "a"), noop(2, 13)] } },
  ],

  "a follower passes a proposal on, and drops it without a leader": [
    ...elected(3),
    { cmd: "propose 2 a", text: ["ok"] },
    { cmd: "propose-conf-change 3 v1=true\nl4", text: ["ok"] },
    { cmd: "deliver-msgs 1 type=MsgProp" },
    {
      cmd: "process-ready 1",
      entries: { "1": [data(1, 12, "a"), [1, 13, "EntryConfChange", "l4"]] },
    },
    { cmd: "transfer-leadership from=2 to=3" },
    { cmd: "deliver-msgs 1 type=MsgTransferLeader" },
    { cmd: "propose 1 c", text: ["raft proposal dropped"] },
    { cmd: "forget-leader 2" },
    { cmd: "propose 2 b", text: ["raft proposal dropped"] },
  ],
};
