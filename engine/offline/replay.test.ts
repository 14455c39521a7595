import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { NodeId } from "../lib/ids.ts";
import { Chaos } from "../raft/chaos-fixture.ts";
import { bootFrom, conf, peer, snapshotAt } from "../raft/cluster-fixture.ts";
import { createRaft, restoreRaft } from "../raft/raft.ts";
import { recordedRaft } from "../raft/recorded-raft.ts";
import type { Recorded, RecordKeeper } from "../raft/recording.ts";
import type { RaftConfig } from "../raft/types.ts";
import { FakeCluster } from "../replica/testing/fake-cluster.ts";
import { type Kept, RecordingWriter, readRecording } from "../storage/recording-codec.ts";
import { type Makers, replay } from "./replay.ts";

/** A machine with other things to do is slow. */
setDefaultTimeout(60_000);

const STEPS = 6_000;

/** Begins anew after so many events. */
class Tape implements RecordKeeper {
  readonly files: Recorded[][] = [];
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  add(event: Recorded): void {
    if (event.kind === "start") this.files.push([]);
    this.files.at(-1)?.push(event);
  }

  wantsStart(): boolean {
    return (this.files.at(-1)?.length ?? 0) >= this.#length;
  }
}

function fileOf(events: readonly Recorded[]): Uint8Array {
  const writer = new RecordingWriter();
  return Buffer.concat([writer.header("0.0.0"), ...events.map((event) => writer.event(event))]);
}

function eventsIn(file: Uint8Array): readonly Kept[] {
  const recording = readRecording(file);
  if (!recording.ok) throw new Error(recording.error);
  return recording.value.events;
}

/** Every life of five nodes under membership changes, snapshots, crashes and damage. */
function chaosTapes(seed: number): readonly (readonly Recorded[])[] {
  const tapes: Tape[] = [];
  const chaos = new Chaos(seed, (config, boot) => {
    const tape = new Tape(80);
    tapes.push(tape);
    return recordedRaft(config, boot, [tape]);
  });
  chaos.run(STEPS);
  return tapes.flatMap(({ files }) => files);
}

const longestOf = (tapes: readonly (readonly Recorded[])[]): readonly Recorded[] =>
  tapes.reduce((longest, tape) => (tape.length > longest.length ? tape : longest), []);

/** The code of another day: it waits a tick longer before it campaigns. */
const patient = (config: RaftConfig): RaftConfig => ({
  ...config,
  electionTicks: config.electionTicks + 1,
});
const otherCode: Makers = {
  create: (config, boot) => createRaft(patient(config), boot),
  restore: (config, image) => restoreRaft(patient(config), image),
};

describe("a recorded run", () => {
  test("is replayed bit for bit, from the beginning of a life and from the middle of one", () => {
    const starts = { boot: 0, image: 0 };
    for (let seed = 0; seed < 6; seed++) {
      for (const events of chaosTapes(seed)) {
        const [first] = events;
        if (first?.kind === "start") starts[first.from.kind] += 1;

        const outcome = replay(eventsIn(fileOf(events)));

        expect(outcome, `seed ${seed}`).toEqual({ count: events.length, end: { kind: "equal" } });
      }
    }
    expect(starts.boot).toBeGreaterThan(30);
    expect(starts.image).toBeGreaterThan(30);
  });

  test("an image in the middle is exactly what the replay reached by then", () => {
    const tape = new Tape(80);
    let isFirst = true;
    const chaos = new Chaos(3, (config, boot) => {
      const keepers = isFirst ? [tape] : [];
      isFirst = false;
      return recordedRaft(config, boot, keepers);
    });
    chaos.run(STEPS);
    const life = tape.files.flat();

    const outcome = replay(eventsIn(fileOf(life)));

    expect(tape.files.length).toBeGreaterThan(1);
    expect(outcome).toEqual({ count: life.length, end: { kind: "equal" } });
  });

  test("is told apart from what other code does", () => {
    const tapes = chaosTapes(1);

    const different = tapes.filter(
      (events) => replay(eventsIn(fileOf(events)), { makers: otherCode }).end.kind === "different",
    );

    expect(different.length).toBeGreaterThan(0);
  });

  test("stops before the event it was asked to", () => {
    const events = longestOf(chaosTapes(2));
    const seen: number[] = [];

    const outcome = replay(eventsIn(fileOf(events)), { until: 5, onEvent: (at) => seen.push(at) });

    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(outcome).toEqual({ count: 5, end: { kind: "equal" } });
  });
});

describe("replicas on a network", () => {
  test("every node of a cluster with kills and transfers can be replayed", () => {
    const tapes: Tape[] = [];
    const cluster = new FakeCluster(3, () => ({
      createRaft: (config, boot) => {
        const tape = new Tape(10_000);
        tapes.push(tape);
        return recordedRaft(config, boot, [tape]);
      },
    }));
    cluster.start();
    for (let round = 0; round < 3; round++) {
      const leader = cluster.leader();
      for (let i = 0; i < 20; i++) leader.replica.propose(DRAIN, () => {});
      cluster.world.advance(300);
      const next = cluster.nodes.find((node) => node !== leader) ?? leader;
      leader.replica.transferLeader(next.peerId, () => {});
      cluster.world.advance(500);
      const dead = cluster.leader();
      dead.replica.stop({ handOver: false }, () => {});
      cluster.world.advance(1_000);
      cluster.restart(dead);
    }

    const outcomes = tapes.flatMap(({ files }) =>
      files.map((events) => replay(eventsIn(fileOf(events))).end.kind),
    );

    expect(outcomes).toEqual(Array.from({ length: 6 }, () => "equal" as const));
  });
});

const DRAIN = {
  principal: "user/test:admin",
  body: {
    kind: "drain-node",
    nodeId: "n1" as NodeId,
    deadlineMillis: 1_000,
    message: "",
  },
} as const;

describe("the file", () => {
  test("any flipped byte is noticed", () => {
    const events = longestOf(chaosTapes(1));
    const file = fileOf(events.slice(0, 60));

    for (let at = 0; at < file.length; at += 7) {
      const flipped = new Uint8Array(file);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const read = readRecording(flipped);
      // A wrong length can only reach beyond the end: then what is left out is said.
      const isNoticed = !read.ok || read.value.tornBytes > 0;
      expect(isNoticed, `byte ${at}`).toBe(true);
    }
  });

  test("one that ends in the middle of an event is replayed up to there", () => {
    const events = longestOf(chaosTapes(1));
    const file = fileOf(events.slice(0, 60));

    const recording = readRecording(file.subarray(0, file.length - 3));

    if (!recording.ok) throw new Error(recording.error);
    expect(recording.value.tornBytes).toBeGreaterThan(0);
    expect(replay(recording.value.events)).toEqual({ count: 59, end: { kind: "equal" } });
  });
});

describe("a broken invariant", () => {
  test("breaks again when it is replayed", () => {
    const tape = new Tape(1_000);
    const config: RaftConfig = {
      id: peer(1),
      electionTicks: 10,
      heartbeatTicks: 1,
      rng: { below: () => 3 },
    };
    const raft = recordedRaft(config, bootFrom(snapshotAt(1, conf([1]))), [tape]);
    raft.input({ kind: "campaign" });
    raft.take();
    expect(() => raft.persisted(99)).toThrow();
    const events = tape.files.flat();

    const outcome = replay(eventsIn(fileOf(events)));

    expect(outcome.count).toBe(events.length);
    expect(outcome.end.kind).toBe("broke-again");
    const elsewhere = replay(eventsIn(fileOf(events.toSpliced(-2, 1))));
    expect(elsewhere.end.kind).toBe("different");
  });
});
