import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PeerId, UnixMillis } from "../lib/ids.ts";
import { apply } from "./apply.ts";
import type { ClusterView } from "./cluster-state.ts";
import { type ClusterState, createState } from "./create-state.ts";
import { ByteReader, ByteWriter } from "./snapshot-bytes.ts";
import { closeFrame, openFrame, type SECTIONS } from "./snapshot-frames.ts";
import { encodeSpec } from "./spec-codec.ts";
import { job, node, nodeInfo, START, specWith, TestCluster } from "./state-fixture.ts";
import { decodeState, StateLoader } from "./state-loader.ts";
import { encodeState, StateWalk } from "./state-walk.ts";
import { clusterWith, NODES, steps, take, wantedJobs } from "./steps-fixture.ts";

/** Everything that the rest of nl can see of a state, in its order. */
function seen(state: ClusterView) {
  const times = [0, 1, 60_000, 10_000_000].map((later) => (state.appliedAt + later) as UnixMillis);
  const jobs = [...state.jobs.values()];
  return structuredClone({
    scalars: [state.clusterId, state.clusterName, state.featureLevel, state.appliedIndex],
    appliedAt: state.appliedAt,
    hash: state.stateHash(),
    counts: state.counts,
    jobs: jobs.map((job) => ({ ...job, spec: [job.spec.hash, ...job.spec.bytes] })),
    attempts: jobs.map(({ id }) => state.attemptsOf(id)),
    nodes: [...state.nodes.values()],
    members: [state.nextPeerId, [...state.joinTokens.values()], [...state.formerNodes.values()]],
    live: [...state.nodes.keys()].map((id) => state.liveAttempts(id)),
    pending: [...state.pending()].map(({ id }) => id),
    ready: times.map((at) => [...state.ready(at)].map(({ id }) => id)),
    due: times.map((at) => state.nextDueAt(at)),
    newestFirst: [...state.newestFirst()].map(({ id }) => id),
    prefixes: ["", "0000", "000000000001"].map((prefix) =>
      state.findByPrefix(prefix, 3).map(({ id }) => id),
    ),
  });
}

/** Fed in pieces of `pieceBytes`, read `records` at a time. */
function load(bytes: Uint8Array, options: { pieceBytes: number; records: number }): ClusterState {
  const loader = new StateLoader();
  let fed = 0;
  for (;;) {
    const worked = loader.work(options.records);
    if (!worked.ok) throw new Error(worked.error);
    if (worked.value === "more-work") continue;
    if (fed === bytes.length) break;
    loader.feed(bytes.slice(fed, fed + options.pieceBytes));
    fed = Math.min(bytes.length, fed + options.pieceBytes);
  }
  const loaded = loader.loaded();
  if (!loaded.ok) throw new Error(loaded.error);
  return loaded.value;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

function refusalOf(bytes: Uint8Array): string {
  const decoded = decodeState(bytes);
  return decoded.ok ? "" : decoded.error;
}

describe("a snapshot", () => {
  test("of a state that changes meanwhile is the state at its beginning, and goes on alike", () => {
    const slices = fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 30 });
    const reading = fc.record({
      pieceBytes: fc.integer({ min: 1, max: 400 }),
      records: fc.integer({ min: 1, max: 5 }),
    });
    let sawKept = 0;
    fc.assert(
      fc.property(wantedJobs, steps, fc.nat({ max: 30 }), slices, reading, (...values) => {
        const [wanted, all, begin, records, how] = values;
        const cluster = clusterWith(wanted);
        for (const step of all.slice(0, begin)) take(cluster, step);
        const start = seen(cluster.state);
        const afterStart = cluster.entries.length;

        const walk = new StateWalk(cluster.state);
        const pieces: Uint8Array[] = [];
        all.slice(begin).forEach((step, i) => {
          const count = records[i % records.length] ?? 0;
          const piece = count === 0 ? null : walk.next(count);
          if (piece !== null) pieces.push(piece);
          take(cluster, step);
          sawKept += walk.keptCount;
        });
        for (let piece = walk.next(2); piece !== null; piece = walk.next(2)) pieces.push(piece);
        const loaded = load(joined(pieces), how);

        expect(seen(loaded)).toEqual(start);
        for (const entry of cluster.entries.slice(afterStart)) {
          expect(apply(loaded, entry).ok).toBe(true);
        }
        expect(seen(loaded)).toEqual(seen(cluster.state));
      }),
      { numRuns: 120 },
    );
    expect(sawKept).toBeGreaterThan(500);
  }, 30_000);

  test("of a founding is where a new cluster begins", () => {
    const members = [nodeInfo(1), nodeInfo(2)];
    const founded = createState({ clusterId: "c1", clusterName: "test", at: START, members });

    const loaded = decodeState(encodeState(founded));

    expect(loaded.ok && seen(loaded.value)).toEqual(seen(founded));
  });

  test("keeps who may join, who left, and which numbers were given", () => {
    const cluster = new TestCluster({ nodes: 4 });
    for (const [tokenId, uses] of [
      ["t1", 1],
      ["t2", 3],
    ] as const) {
      const token = { tokenId, secretHash: "ab12", lifetimeMillis: 9_000, uses };
      cluster.run({ kind: "create-join-token", role: "server", ...token });
    }
    cluster.run({ kind: "revoke-join-token", tokenId: "t2" });
    cluster.run({ kind: "set-seat", nodeId: node(2), seat: "learner" });
    for (const number of [3, 4]) {
      cluster.run({ kind: "leave-node", nodeId: node(number), deadlineMillis: 1_000 });
    }
    cluster.run({ kind: "forget-node", nodeId: node(4) });

    for (const records of [1, 2, 1_000]) {
      const walk = new StateWalk(cluster.state);
      const pieces: Uint8Array[] = [];
      for (let piece = walk.next(records); piece !== null; piece = walk.next(records)) {
        pieces.push(piece);
      }
      const loaded = load(joined(pieces), { pieceBytes: 7, records });

      expect(seen(loaded)).toEqual(seen(cluster.state));
      expect(loaded.nextPeerId).toBe(5 as PeerId);
    }
  });

  test("makes the same facts of what follows, in the same order", () => {
    const cluster = new TestCluster({ nodes: NODES });
    for (let number = 1; number <= 6; number++) cluster.submit(number, { onLost: "rerun" });
    // Against the order of submission: a restored node must not lose them in another one.
    for (const number of [5, 2, 6, 1]) cluster.assign(number);
    const loaded = load(encodeState(cluster.state), { pieceBytes: 100, records: 1 });

    const { facts } = cluster.mark(1, "lost");

    const entry = cluster.entries.at(-1);
    const applied = entry && apply(loaded, entry);
    expect(applied?.ok && applied.value.facts).toEqual(facts);
  });

  test("writes equal specs once, and gives them back as one record", () => {
    const cluster = new TestCluster();
    for (let number = 1; number <= 100; number++) cluster.submit(number, { name: "x".repeat(64) });

    const bytes = encodeState(cluster.state);

    expect(bytes.length).toBeLessThan(100 * 60);
    const loaded = decodeState(bytes);
    const specs = new Set(loaded.ok ? [...loaded.value.jobs.values()].map(({ spec }) => spec) : []);
    expect(specs.size).toBe(1);
  });

  test("keeps more distinct specs than its window holds", () => {
    const cluster = new TestCluster();
    const submitted = Array.from({ length: 10_000 }, (_, i) => ({
      jobId: job(i),
      spec: encodeSpec(specWith({ name: `job ${i % 9_000}` })),
    }));
    cluster.change({ kind: "submit-jobs", jobs: submitted });

    const loaded = decodeState(encodeState(cluster.state));

    expect(loaded.ok && loaded.value.stateHash()).toBe(cluster.state.stateHash());
  });

  test("keeps every letter of every text", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { name: "Grüße 🎉 \u0000" });
    cluster.report(1, { end: "exited", exitCode: -1, detail: "\ufefféß漢字 🎉", signal: "ÜSR" });

    const loaded = decodeState(encodeState(cluster.state));

    expect(loaded.ok && seen(loaded.value)).toEqual(seen(cluster.state));
  });

  test("is cut into frames of bounded size, however many records are asked for", () => {
    const cluster = new TestCluster();
    for (let number = 1; number <= 3_000; number++) {
      cluster.submit(number, { command: ["echo", `${number}`.repeat(20)] });
    }

    const walk = new StateWalk(cluster.state);
    const lengths: number[] = [];
    for (let piece = walk.next(1e6); piece !== null; piece = walk.next(1e6)) {
      lengths.push(piece.length);
    }

    expect(lengths.length).toBeGreaterThan(5);
    expect(Math.max(...lengths)).toBeLessThan(66 * 1024);
  });

  test("that is given up costs nothing any more, and another one may begin", () => {
    const cluster = clusterWith([]);
    cluster.submit(1);
    const walk = new StateWalk(cluster.state);
    expect(() => new StateWalk(cluster.state)).toThrow("one walk at a time");

    walk.stop();
    cluster.cancel(1);

    expect(walk.keptCount).toBe(0);
    expect(walk.next(1)).toBeNull();
    expect(decodeState(encodeState(cluster.state)).ok).toBe(true);
  });
});

describe("a loader refuses, with a sentence,", () => {
  const cluster = new TestCluster({ nodes: 1 });
  cluster.start(1);
  const whole = encodeState(cluster.state);

  const changed = (at: number, byte: number): Uint8Array => {
    const bytes = whole.slice();
    bytes[at] = byte;
    return bytes;
  };

  test("what is no snapshot, or one of a later format", () => {
    expect(refusalOf(changed(0, 0))).toBe("this is not a snapshot of an nl cluster");
    expect(refusalOf(changed(8, 9))).toContain("format 9, this nl reads 1: upgrade this node");
  });

  test("a higher feature level", () => {
    const later = new TestCluster();
    later.state.raiseFeatureLevel(7);

    expect(refusalOf(encodeState(later.state))).toContain("feature level 7, this nl supports 1");
  });

  test("every single changed byte", () => {
    for (let at = 0; at < whole.length; at++) {
      const refusal = refusalOf(changed(at, (whole[at] ?? 0) ^ 0x10));
      expect(`${at}: ${refusal}`).toMatch(/damaged|not a snapshot|format/);
    }
  });

  test("every cut, and anything after the end", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(refusalOf(whole.slice(0, length))).not.toBe("");
    }
    expect(refusalOf(joined([whole, whole.slice(12)]))).toContain("more after its end");
    expect(refusalOf(joined([whole, Uint8Array.of(1)]))).not.toBe("");
  });

  test("records that are well written, but not those of the state hash", () => {
    const other = new TestCluster({ nodes: 1 });
    other.start(1);
    const walk = new StateWalk(other.state);
    const pieces: Uint8Array[] = [];
    for (let piece = walk.next(9); piece !== null; piece = walk.next(9)) pieces.push(piece);
    cluster.cancel(1);
    const end = framesOf(encodeState(cluster.state)).at(-1);

    const forged = joined([...pieces.slice(0, -1), end ?? new Uint8Array()]);

    expect(refusalOf(forged)).toBe("the snapshot is damaged: it has not what its end says it has");
  });

  test("a section that it does not know", () => {
    const writer = new ByteWriter();
    openFrame(writer, 77 as typeof SECTIONS.end);
    const unknown = closeFrame(writer);
    const head = whole.slice(0, 12 + (framesOf(whole)[0]?.length ?? 0));

    expect(refusalOf(joined([head, unknown]))).toContain(
      "a section 77 unknown to this nl: upgrade",
    );
  });
});

describe("the fields of records", () => {
  test("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), fc.array(fc.string({ unit: "grapheme" })), (n, t) => {
        const writer = new ByteWriter();
        for (const number of n) writer.number(number);
        for (const text of t) writer.text(text);
        for (const text of [...t, ...t]) writer.word(text);
        const reader = new ByteReader();
        reader.open(writer.take());

        expect(n.map(() => reader.number())).toEqual(n);
        expect(t.map(() => reader.text())).toEqual(t);
        expect([...t, ...t].map(() => reader.word())).toEqual([...t, ...t]);
        expect([reader.isAtEnd, reader.isBroken]).toEqual([true, false]);
      }),
    );
  });

  test("beyond the end are nothing, and the reader says so", () => {
    const reader = new ByteReader();
    reader.open(Uint8Array.of(200));

    expect([reader.number(), reader.text(), reader.word()]).toEqual([72, "", ""]);
    expect(reader.isBroken).toBe(true);
  });
});

/** Cuts whole frames apart. */
function framesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 12; at < bytes.length; ) {
    const length = 9 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
    frames.push(bytes.slice(at, at + length));
    at += length;
  }
  return frames;
}
