import { describe, expect, test } from "bun:test";
import { Command as WireCommand } from "../../proto/gen/nl/v1/command.ts";
import type { Index } from "../lib/ids.ts";
import { apply, type CommittedEntry } from "./apply.ts";
import { encodeCommand } from "./command-codec.ts";
import { createState } from "./create-state.ts";
import { job, node, nodeInfo, START, TestCluster } from "./state-fixture.ts";

const NO_DATA = new Uint8Array();
const founding = { clusterId: "c1", clusterName: "test", at: START, members: [nodeInfo(1)] };

const entry = (index: number, data: Uint8Array): CommittedEntry => ({
  index: index as Index,
  kind: "normal",
  data,
});

describe("apply", () => {
  test.each(["noop", "conf"] as const)("a %s entry only advances the applied index", (kind) => {
    const state = createState(founding);
    const hash = state.stateHash();

    const result = apply(state, { index: 2 as Index, kind, data: NO_DATA });

    expect(result).toEqual({ ok: true, value: { outcomes: [], facts: [] } });
    expect(state.appliedIndex).toBe(2 as Index);
    expect(state.stateHash()).toBe(hash);
  });

  test("entries are applied once, in order (P36)", () => {
    const state = createState(founding);

    expect(() => apply(state, { index: 3 as Index, kind: "noop", data: NO_DATA })).toThrow();
    expect(() => apply(state, { index: 1 as Index, kind: "noop", data: NO_DATA })).toThrow();
  });

  test("a command above this nl's level stops apply with a sentence, before any change", () => {
    const state = createState(founding);
    const hash = state.stateHash();
    const body = { kind: "undrain-node", nodeId: node(1) } as const;
    const data = encodeCommand({ level: 4, at: START, principal: "", body });

    const result = apply(state, entry(2, data));

    expect(result).toEqual({
      ok: false,
      error: {
        kind: "unknown-command",
        index: 2 as Index,
        sentence: "entry 2 needs feature level 4, this nl supports 1: upgrade this node",
      },
    });
    expect(state.appliedIndex).toBe(1 as Index);
    expect(state.stateHash()).toBe(hash);
  });

  test.each([
    ["an unknown command", Uint8Array.of(0x08, 1, 0x9a, 0x06, 0)],
    ["no command", NO_DATA],
    ["bytes that are no message", Uint8Array.of(0xff, 0xff, 0xff)],
    [
      "an unknown word",
      WireCommand.encode({
        level: 1,
        at: 1,
        principal: "",
        kind: { $case: "markNode", value: { nodeId: "n1", liveness: "asleep" } },
      }).finish(),
    ],
  ])("%s stops apply: it is never skipped", (_, data) => {
    const state = createState(founding);

    const result = apply(state, entry(2, data));

    expect(result.ok ? "" : result.error.sentence).toStartWith("entry 2 is not a command");
    expect(state.appliedIndex).toBe(1 as Index);
  });

  test("facts are numbered within their entry and say what changed", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);

    const { facts } = cluster.assign(1);

    const index = cluster.state.appliedIndex;
    expect(facts).toEqual([
      { index, ordinal: 0, kind: "job-changed", jobId: job(1), state: "assigned" },
      {
        index,
        ordinal: 1,
        kind: "attempt-changed",
        attemptId: cluster.newest(1).id,
        nodeId: node(1),
        state: "assigned",
      },
    ]);
  });

  test("S14: the same entries give the same hash on every node (P37)", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1);
    cluster.mark(1, "lost");
    cluster.submit(2);
    cluster.cancel(2);

    const replica = createState({ ...founding, members: [nodeInfo(1), nodeInfo(2)] });
    for (const committed of cluster.entries) apply(replica, committed);

    expect(replica.stateHash()).toBe(cluster.state.stateHash());
    expect(replica.appliedIndex).toBe(cluster.state.appliedIndex);
  });

  test("S14: another history gives another hash", () => {
    const [one, other] = [new TestCluster(), new TestCluster()];
    one.submit(1);
    other.submit(2);

    expect(one.state.stateHash()).not.toBe(other.state.stateHash());
  });
});
