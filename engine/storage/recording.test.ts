import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Index } from "../lib/ids.ts";
import { bootFrom, conf, peer, snapshotAt } from "../raft/cluster-fixture.ts";
import { recordedRaft } from "../raft/recorded-raft.ts";
import type { RecordKeeper } from "../raft/recording.ts";
import type { Raft } from "../raft/types.ts";
import { LastInputs } from "./last-inputs.ts";
import { Scratch } from "./log-fixture.ts";
import { readRecording } from "./recording-codec.ts";
import { previousOf, RecordingFile } from "./recording-file.ts";

/** A machine with other things to do is slow. */
setDefaultTimeout(60_000);

const MAX_BYTES = 600_000;
const VERSION = "1.2.3";

let scratch: Scratch;
let path: string;

beforeEach(() => {
  scratch = new Scratch();
  path = join(scratch.directory, "n1.nlrec");
});
afterEach(() => scratch.remove());

/** A cluster of one, leading. */
function leaderKeptBy(keeper: RecordKeeper): Raft {
  const config = { id: peer(1), electionTicks: 10, heartbeatTicks: 1, rng: { below: () => 0 } };
  const raft = recordedRaft(config, bootFrom(snapshotAt(1, conf([1]))), [keeper]);
  raft.input({ kind: "campaign" });
  pump(raft);
  return raft;
}

function pump(raft: Raft): void {
  for (let due = raft.take(); due !== null; due = raft.take()) {
    const last = due.apply.at(-1);
    if (last !== undefined) raft.applied(last.index);
    if (due.persist !== null) raft.persisted(due.persist.seq);
  }
}

function propose(raft: Raft, count: number): void {
  for (let i = 0; i < count; i++) {
    raft.propose([new Uint8Array(200)]);
    pump(raft);
  }
}

function recordingIn(file: string) {
  const recording = readRecording(readFileSync(file));
  if (!recording.ok) throw new Error(recording.error);
  return recording.value;
}

const fileAt = (onFailed: (reason: string) => void = () => {}): RecordingFile =>
  new RecordingFile({ path, maxBytes: MAX_BYTES, version: VERSION, onFailed });

describe("a recording in files", () => {
  test("is whole after every turn, and names the version that wrote it", () => {
    propose(leaderKeptBy(fileAt()), 10);

    const { version, events, tornBytes } = recordingIn(path);

    expect(version).toBe(VERSION);
    expect(tornBytes).toBe(0);
    expect(events[0]).toMatchObject({ kind: "start", from: { kind: "boot" } });
    expect(events.at(-1)).toEqual({ kind: "take", effects: null });
  });

  test("keeps to its bytes, and each of its two files begins with a start", () => {
    propose(leaderKeptBy(fileAt()), 1_200);

    const [previous, current] = [previousOf(path), path].map((file) => recordingIn(file));

    const bytes = statSync(path).size + statSync(previousOf(path)).size;
    expect(bytes).toBeGreaterThan(MAX_BYTES / 2);
    expect(bytes).toBeLessThan(1.3 * MAX_BYTES);
    expect(previous?.events[0]).toMatchObject({ kind: "start", from: { kind: "image" } });
    expect(current?.events[0]).toMatchObject({ kind: "start", from: { kind: "image" } });
  });

  test("a disk that refuses ends the recording, not the node", () => {
    const reasons: string[] = [];
    path = join(scratch.directory, "missing", "n1.nlrec");

    const raft = leaderKeptBy(fileAt((reason) => reasons.push(reason)));
    propose(raft, 10);

    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain("ENOENT");
    expect(raft.status().commit).toBe(12 as Index);
  });
});

describe("the last inputs", () => {
  test("are written when an invariant breaks, and only then", () => {
    const said: object[] = [];
    const raft = leaderKeptBy(
      new LastInputs({ path, version: VERSION, onBroken: (one) => said.push(one) }),
    );
    propose(raft, 20_000);
    expect(existsSync(path)).toBe(false);

    expect(() => raft.persisted(1e9)).toThrow();

    const { events } = recordingIn(path);
    expect(said).toEqual([{ path }]);
    expect(events[0]).toMatchObject({ kind: "start", from: { kind: "image" } });
    expect(events.at(-2)).toEqual({ kind: "input", input: { kind: "persisted", seq: 1e9 } });
    expect(events.at(-1)).toMatchObject({ kind: "broken" });
    expect(events.length).toBeLessThan(20_000);
  });
});
