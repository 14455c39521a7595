import type { Block } from "../scenario.ts";
import {
  data,
  elected,
  follows,
  hard,
  leads,
  noop,
  replicating,
  stands,
  state,
  v2,
} from "./words.ts";

type Scenarios = Readonly<Record<string, readonly Block[]>>;

const ASYNC = "async-storage-writes=true";
const FIRST = [noop(1, 11)];

export const STORAGE: Scenarios = {
  "an election with storage threads, step by step": [
    { cmd: `add-nodes 3 voters=(1,2,3) index=10 ${ASYNC}` },
    { cmd: "campaign 1" },
    { cmd: "process-ready 1", soft: { "1": stands }, hs: { "1": hard(1, 1, 10) } },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2", hs: { "2": hard(1, 1, 10) } },
    // The vote waits for the disk: nothing to deliver.
    { cmd: "deliver-msgs 1" },
    { cmd: "process-append-thread 2" },
    { cmd: "deliver-msgs 1" },
    { cmd: "raft-state", raftstate: { "1": state(stands, 1) } },
    // So does the own vote, which counts only once the node is told.
    { cmd: "process-append-thread 1" },
    { cmd: "raft-state", raftstate: { "1": state(stands, 1) } },
    { cmd: "deliver-msgs 1 drop=(3)" },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1) } },
    { cmd: "process-ready 1", soft: { "1": leads(1) }, entries: { "1": FIRST } },
    { cmd: "raft-log 1", raftlog: { "1": [] } },
    { cmd: "process-append-thread 1" },
    { cmd: "raft-log 1", raftlog: { "1": FIRST } },
    { cmd: "stabilize 1 2", committed: { "1": FIRST, "2": FIRST } },
  ],

  "appends are pipelined past the disks": [
    ...elected(3, ASYNC),
    { cmd: "propose 1 a" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 12, "a")] } },
    { cmd: "propose 1 b" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 13, "b")] } },
    { cmd: "deliver-msgs 2 3" },
    { cmd: "process-ready 2 3", entries: { "2": [data(1, 12, "a"), data(1, 13, "b")] } },
    { cmd: "process-append-thread 2 3" },
    { cmd: "deliver-msgs 1" },
    // Two of three hold both: committed, though the leader's own disk has neither.
    { cmd: "process-ready 1", hs: { "1": hard(1, 1, 13) }, committed: {} },
    { cmd: "raft-log 1", raftlog: { "1": FIRST } },
    { cmd: "process-append-thread 1" },
    { cmd: "deliver-msgs 1" },
    { cmd: "process-ready 1", committed: { "1": [data(1, 12, "a")] } },
    { cmd: "process-append-thread 1" },
    { cmd: "deliver-msgs 1" },
    { cmd: "process-ready 1", committed: { "1": [data(1, 13, "b")] } },
    { cmd: "process-apply-thread 1" },
    { cmd: "process-apply-thread 1" },
    { cmd: "stabilize", committed: { "2": [data(1, 12, "a"), data(1, 13, "b")] } },
  ],

  "what is committed is handed out once the node was told that it is on disk": [
    ...elected(3, ASYNC),
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", committed: { "1": [data(1, 12, "a")] } },
    { cmd: "deliver-msgs 3" },
    {
      cmd: "process-ready 3",
      hs: { "3": hard(1, 1, 12) },
      entries: { "3": [data(1, 12, "a")] },
    },
    { cmd: "process-append-thread 3" },
    { cmd: "raft-log 3", raftlog: { "3": [noop(1, 11), data(1, 12, "a")] } },
    { cmd: "deliver-msgs 3" },
    { cmd: "process-ready 3", committed: { "3": [data(1, 12, "a")] } },
    { cmd: "process-apply-thread 3" },
  ],

  "a slow disk that finishes an overwritten append proves nothing": [
    ...elected(5, ASYNC),
    // 5 gets an entry of term 1 and is slow to write it.
    { cmd: "propose 1 old" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 12, "old")] } },
    { cmd: "deliver-msgs 5 drop=(2,3,4)" },
    { cmd: "process-ready 5", entries: { "5": [data(1, 12, "old")] } },
    // 2 leads term 2 and overwrites it there.
    { cmd: "campaign 2" },
    { cmd: "stabilize 2 3 4", soft: { "2": leads(2) }, hs: { "2": hard(2, 2, 12) } },
    { cmd: "deliver-msgs 5" },
    { cmd: "process-ready 5", soft: { "5": follows(2) }, entries: { "5": [noop(2, 12)] } },
    { cmd: "raft-log 5", raftlog: { "5": FIRST } },
    // The first write is done now: its entry is on disk, but not in the log any more.
    { cmd: "process-append-thread 5" },
    { cmd: "raft-log 5", raftlog: { "5": [noop(1, 11), data(1, 12, "old")] } },
    { cmd: "stabilize 2" },
    {
      cmd: "status 2",
      status: {
        "2": {
          "1": { state: "StateProbe", match: 0 },
          "2": replicating(12),
          "3": replicating(12),
          "4": replicating(12),
          "5": { state: "StateProbe", match: 0 },
        },
      },
    },
    { cmd: "process-append-thread 5" },
    { cmd: "raft-log 5", raftlog: { "5": [noop(1, 11), noop(2, 12)] } },
    { cmd: "stabilize", hs: { "5": hard(2, 0, 12), "1": hard(2, 0, 12) } },
    { cmd: "raft-log 1", raftlog: { "1": [noop(1, 11), noop(2, 12)] } },
  ],

  "the same entry that comes back after it was overwritten must be written again": [
    ...elected(5, ASYNC),
    { cmd: "propose 1 aba" },
    { cmd: "process-ready 1", entries: { "1": [data(1, 12, "aba")] } },
    { cmd: "process-append-thread 1" },
    { cmd: "deliver-msgs 1 5 drop=(2,3,4)" },
    { cmd: "process-ready 5", entries: { "5": [data(1, 12, "aba")] } },
    { cmd: "campaign 2" },
    { cmd: "stabilize 2 3 4", soft: { "2": leads(2) } },
    // 2's first entry reaches 5 only, the vote request to 1 comes late.
    { cmd: "deliver-msgs 5" },
    { cmd: "process-ready 5", entries: { "5": [noop(2, 12)] } },
    { cmd: "raft-log 5", raftlog: { "5": FIRST } },
    { cmd: "process-append-thread 5" },
    { cmd: "raft-log 5", raftlog: { "5": [noop(1, 11), data(1, 12, "aba")] } },
    { cmd: "process-append-thread 5" },
    { cmd: "raft-log 5", raftlog: { "5": [noop(1, 11), noop(2, 12)] } },
  ],

  "the apply thread takes one batch at a time, within a size": [
    ...elected(3, `${ASYNC} max-committed-size-per-ready=10`),
    { cmd: "propose 1 aaaa" },
    { cmd: "propose 1 bbbb" },
    { cmd: "process-ready 1" },
    { cmd: "process-append-thread 1" },
    { cmd: "deliver-msgs 2" },
    { cmd: "process-ready 2" },
    { cmd: "process-append-thread 2" },
    { cmd: "deliver-msgs 1" },
    {
      cmd: "process-ready 1",
      hs: { "1": hard(1, 1, 13) },
      committed: { "1": [data(1, 12, "aaaa")] },
    },
    { cmd: "process-ready 1", committed: {} },
    { cmd: "process-apply-thread 1" },
    { cmd: "process-ready 1", committed: { "1": [data(1, 13, "bbbb")] } },
  ],

  "a change counts once the apply thread has applied it": [
    ...elected(3, ASYNC),
    { cmd: "propose-conf-change 1\nr3" },
    { cmd: "stabilize 1 2", committed: { "1": [v2(1, 12, "r3")] } },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1) } },
    { cmd: "deliver-msgs 3" },
    { cmd: "process-ready 3", entries: { "3": [v2(1, 12, "r3")] } },
    { cmd: "process-append-thread 3" },
    { cmd: "deliver-msgs 3" },
    { cmd: "process-ready 3", committed: { "3": [v2(1, 12, "r3")] } },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1) } },
    { cmd: "process-apply-thread 3" },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1, false) } },
  ],
};
