import { describe, expect, test } from "bun:test";
import { flag, parseCommand } from "./command.ts";
import { runScenario } from "./etcd-adapter.ts";
import type { Block } from "./scenario.ts";

const leading = { role: "StateLeader", lead: 1, voter: true, term: 1 };
const following = { role: "StateFollower", lead: 1, voter: true, term: 1 };

/** Three voters from index 10, node 1 leads term 1. */
const elected = (options = ""): readonly Block[] => [
  { cmd: `add-nodes 3 voters=(1,2,3) index=10 ${options}` },
  { cmd: "campaign 1" },
  {
    cmd: "stabilize",
    soft: { "1": { lead: 1, role: "StateLeader" }, "2": { lead: 1, role: "StateFollower" } },
    hs: { "3": { term: 1, vote: 1, commit: 11 } },
    committed: { "2": [[1, 11, "EntryNormal", '""']] },
  },
];

describe("the adapter for etcd's scenarios", () => {
  test("takes commands apart, in every spelling", () => {
    const command = parseCommand("deliver-msgs 1 (2,5) type=MsgApp drop=(3, 4)");
    const added = parseCommand("add-nodes 3 voters=1,2 \\\n prevote checkquorum=false index=10");
    const change = parseCommand("propose-conf-change 1 v1\nv4 l5");

    expect(command.name).toBe("deliver-msgs");
    expect(command.args).toEqual(["1", "2", "5"]);
    expect(command.options.get("drop")?.map(Number)).toEqual([3, 4]);
    expect(command.options.get("type")).toEqual(["MsgApp"]);
    expect(added.options.get("voters")).toEqual(["1", "2"]);
    expect(flag(added, "prevote")).toBe(true);
    expect(flag(added, "checkquorum")).toBe(false);
    expect(flag(change, "v1")).toBe(true);
    expect(change.body).toBe("v4 l5");
    expect(parseCommand("propose 1 v1=true").args).toEqual(["1", "v1=true"]);
  });

  test.each([
    "campaing 1",
    "campaign one",
    "campaign",
    "campaign 1 force=true",
    "add-nodes 1 pre-vote=true",
    "add-nodes 1 prevote=yes",
    "add-nodes 1 voters=(a,b)",
    "add-nodes 1 read-only=never",
    "add-nodes 1 disable-conf-change-validation=true",
    "deliver-msgs 1 type=MsgAppend",
    "set-randomized-election-timeout 1",
    "transfer-leadership from=1",
    "propose-conf-change 1 transition=both\nv2",
    "propose-conf-change 1\nx2",
    "propose-conf-change 1 v1=true\nv2 v3",
    "status 7",
    "process-ready 7",
  ])("refuses what is not in the language: %s", (cmd) => {
    const added = { cmd: "add-nodes 1 voters=(1) index=10" };

    expect(() => runScenario([added, { cmd }])).toThrow();
  });

  test("says where this core differs from what was printed", () => {
    const wrong = { cmd: "raft-state", raftstate: { "2": { ...following, term: 7 } } };

    const mismatches = runScenario([...elected(), wrong]);

    expect(mismatches).toMatchObject([
      { block: 3, cmd: "raft-state", what: "state of 2", actual: { term: 1 } },
    ]);
  });

  test("runs the threads of asynchronous storage one piece of work at a time", () => {
    const foo = [1, 12, "EntryNormal", '"foo"'] as const;
    const blocks: readonly Block[] = [
      ...elected("async-storage-writes=true"),
      { cmd: "propose 1 foo" },
      { cmd: "process-ready 1", entries: { "1": [foo] } },
      { cmd: "deliver-msgs 2" },
      { cmd: "process-ready 2", entries: { "2": [foo] } },
      { cmd: "raft-log 2", raftlog: { "2": [[1, 11, "EntryNormal", '""']] } },
      { cmd: "process-append-thread 1 2" },
      { cmd: "raft-log 2", raftlog: { "2": [[1, 11, "EntryNormal", '""'], foo] } },
      { cmd: "deliver-msgs 1 drop=(3)" },
      {
        cmd: "process-ready 1",
        hs: { "1": { term: 1, vote: 1, commit: 12 } },
        committed: { "1": [foo] },
      },
      { cmd: "process-apply-thread 1" },
      { cmd: "stabilize", committed: { "2": [foo], "3": [foo] } },
    ];

    expect(runScenario(blocks)).toEqual([]);
  });

  test("compacts, ships snapshots, and shows progress", () => {
    const replicating = { state: "StateReplicate", match: 12 };
    const blocks: readonly Block[] = [
      ...elected(),
      { cmd: "propose 1 foo" },
      { cmd: "stabilize 1 2" },
      { cmd: "deliver-msgs drop=(3)" },
      { cmd: "compact 1 12" },
      { cmd: "tick-heartbeat 1" },
      { cmd: "stabilize", hs: { "3": { term: 1, vote: 1, commit: 12 } } },
      {
        cmd: "status 1",
        status: { "1": { "1": replicating, "2": replicating, "3": replicating } },
      },
      { cmd: "raft-log 3", raftlog: { "3": [] } },
    ];

    expect(runScenario(blocks)).toEqual([]);
  });

  test("proposes an empty entry where etcd refuses a configuration change", () => {
    const blocks: readonly Block[] = [
      ...elected(),
      { cmd: "propose-conf-change 1 v1=true\nl4" },
      { cmd: "propose-conf-change 1\nl5" },
      {
        cmd: "stabilize",
        entries: {
          "2": [
            [1, 12, "EntryConfChange", "l4"],
            [1, 13, "EntryNormal", '""'],
          ],
        },
      },
    ];

    expect(runScenario(blocks)).toEqual([]);
  });

  test("moves leadership and forgets leaders, timers and unreachable members included", () => {
    const blocks: readonly Block[] = [
      ...elected("checkquorum=true prevote=true"),
      { cmd: "report-unreachable 1 3" },
      { cmd: "set-randomized-election-timeout 2 timeout=3" },
      { cmd: "tick-heartbeat 2" },
      { cmd: "forget-leader 2 3" },
      { cmd: "raft-state", raftstate: { "1": leading, "2": { ...following, lead: 0 } } },
      { cmd: "tick-heartbeat 1" },
      { cmd: "stabilize" },
      { cmd: "raft-state", raftstate: { "2": following, "3": following } },
      { cmd: "transfer-leadership from=1 to=3" },
      { cmd: "stabilize", soft: { "3": { lead: 3, role: "StateLeader" } } },
      { cmd: "forget-leader 1" },
      { cmd: "propose 1 foo", text: ["raft proposal dropped"] },
    ];

    expect(runScenario(blocks)).toEqual([]);
  });
});
