import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipped } from "../../tests/support/harm.ts";
import { seeded } from "../../tests/support/seeded.ts";
import type { Index, NodeId, PeerId, Term, UnixMillis } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import { newNodes } from "../new-cluster.ts";
import { createRaft } from "../raft/raft.ts";
import type { Entry } from "../raft/types.ts";
import { encodeCommand } from "../state/command-codec.ts";
import { initDataDirectory } from "../storage/data-directory.ts";
import { SqliteLog } from "../storage/sqlite-log.ts";
import { examineNode } from "./examine-node.ts";
import { recoverNode } from "./recover-node.ts";
import { openStoppedNode } from "./stopped-node.ts";

const NOW = 1_800_000_000_000 as UnixMillis;
const SELF = { nodeId: "n1" as NodeId, peerId: 1 as PeerId };
const LAST = 40;
const TERM = 3;

let root: string;
let directory: string;

/** One of three: forty entries of term 3, of which thirty are known as committed. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nl-recover-"));
  directory = join(root, "n1");
  const members = [1, 2, 3].map((n) => ({
    nodeId: `n${n}` as NodeId,
    peerId: n as PeerId,
    storeId: `store-${n}`,
    rpcAddress: `10.0.0.${n}:7171`,
    httpAddress: `10.0.0.${n}:7181`,
  }));
  const founding = { clusterId: "dev-1", clusterName: "dev", at: NOW, members };
  const [own] = newNodes(founding);
  if (own === undefined) throw new Error("a node for each member");
  value(initDataDirectory({ ...own, directory }));
  const { log } = reopened();
  const entries = Array.from({ length: LAST - 1 }, (_, at) => drain(at + 2));
  const hardState = { term: TERM as Term, votedFor: 2 as PeerId, commit: 30 as Index };
  value(log.write([{ seq: 1, hardState, entries, snapshot: null, fsync: true }]));
  value(log.close());
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("examining a node that is stopped", () => {
  test("finds nothing wrong with whole data, and changes nothing", () => {
    const before = contents();

    const { files, verdict, node } = examineNode(directory);

    expect(verdict).toBe("starts-whole");
    expect(files.map(({ file, state }) => `${file} ${state}`)).toEqual([
      "log.sqlite whole",
      "mark whole",
      "snapshots/founding whole",
    ]);
    expect(node).toMatchObject({ self: SELF, lastIndex: LAST, commitIndex: 30, term: TERM });
    expect(node?.others.map(({ nodeId, address }) => `${nodeId} ${address}`)).toEqual([
      "n2 10.0.0.2:7171",
      "n3 10.0.0.3:7171",
    ]);
    expect(contents()).toEqual(before);
  });

  test("says what a missing mark and a missing log mean", () => {
    rmSync(join(directory, "mark"));
    const withoutMark = examineNode(directory);
    rmSync(join(directory, "log.sqlite"));
    const withoutBoth = examineNode(directory);

    expect(withoutMark).toMatchObject({ verdict: "starts-damaged" });
    expect(withoutMark.files[1]).toMatchObject({ file: "mark", state: "missing" });
    expect(withoutBoth).toMatchObject({ verdict: "refuses", node: null });
    expect(withoutBoth.files[0]).toMatchObject({ file: "log.sqlite", state: "missing" });
    expect(withoutBoth.files[0]?.detail).toContain(directory);
  });

  test("tells a rotten log from a rotten snapshot, and changes nothing", () => {
    const draw = seeded(7);
    const outcomes = new Set<string>();
    for (const file of ["log.sqlite", "snapshots/founding"]) {
      const path = join(directory, file);
      const original = new Uint8Array(readFileSync(path));
      for (let at = 0; at < 40; at++) {
        writeFileSync(path, flipped(original, draw).bytes ?? "");
        const before = contents();
        const { verdict, files } = examineNode(directory);
        outcomes.add(`${file} ${verdict}`);
        expect(files.every(({ detail }) => !/\n|nl-examine/.test(detail))).toBe(true);
        expect(contents()).toEqual(before);
      }
      writeFileSync(path, original);
    }

    expect([...outcomes]).toContain("log.sqlite starts-damaged");
    expect([...outcomes]).toContain("snapshots/founding starts-damaged");
    expect([...outcomes]).not.toContain("snapshots/founding starts-whole");
  });
});

describe("a node that is recovered", () => {
  test("is the only voter, keeps all that its log had, and elects itself", () => {
    const { term, firstIndex, lastIndex } = recover();
    const { log, boot } = reopened();

    const raft = createRaft(
      { id: SELF.peerId, electionTicks: 10, heartbeatTicks: 1, rng: { below: () => 0 } },
      boot,
    );
    for (let tick = 0; tick < 20; tick++) {
      raft.tick();
      for (let due = raft.take(); due !== null; due = raft.take()) {
        if (due.persist !== null) raft.persisted(due.persist.seq);
      }
    }

    expect([term, firstIndex]).toEqual([TERM + 1, LAST + 1] as never);
    expect(boot).toMatchObject({ damaged: false, lastIndex });
    expect(raft.status()).toMatchObject({
      role: "leader",
      term: TERM + 2,
      conf: { voters: [1], votersOutgoing: [], learners: [] },
      commit: lastIndex + 1,
    });
    log.close();
  });

  test("has the others on record as leaving, and says in its log what was done", () => {
    const { firstIndex } = recover();
    const node = value(openStoppedNode(directory, SELF));
    const read = value(node.log.entries(firstIndex, (firstIndex + 1) as Index, 1e6));
    node.log.close();

    const seats = [...node.state.nodes.values()].map(({ id, seat }) => `${id} ${seat}`);
    const [first] = read === "compacted" ? [] : read;
    expect(seats).toEqual(["n1 voter", "n2 leaving", "n3 leaving"]);
    expect(new TextDecoder().decode(first?.data)).toContain("nl cluster recover at 2027-01-15");
  });

  test("is whole although its log was damaged, and a second time nothing is added but an entry", () => {
    rmSync(join(directory, "mark"));
    expect(examineNode(directory).verdict).toBe("starts-damaged");

    recover();
    const after = examineNode(directory);
    const { firstIndex, lastIndex } = recover();

    expect(after).toMatchObject({ verdict: "starts-whole", node: { others: [] } });
    expect(lastIndex).toBe(firstIndex);
  });
});

function recover() {
  const node = value(openStoppedNode(directory, SELF));
  const done = value(recoverNode(node, NOW));
  value(node.log.close());
  return done;
}

function reopened() {
  const log = new SqliteLog({ directory, expected: null, monotonicMillis: () => 0 });
  return { log, boot: value(log.boot()) };
}

const drain = (index: number): Entry => ({
  index: index as Index,
  term: TERM as Term,
  kind: "normal",
  data: encodeCommand({
    level: 1,
    at: NOW,
    principal: "user/alice",
    body: { kind: "drain-node", nodeId: "n3" as NodeId, deadlineMillis: index, message: "" },
  }),
});

function contents(): readonly (readonly [string, string])[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name))
    .map((path) => [path, Bun.hash(readFileSync(path)).toString()] as const)
    .sort();
}

function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
