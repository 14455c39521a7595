import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { mintJobId } from "../lib/ids.ts";
import { encodeSpec } from "./spec-codec.ts";
import { specWith, TestCluster } from "./state-fixture.ts";

const JOBS = 100_000;
const BATCH = 500;
const BYTES_MAX = 420;

/** A fixed sequence: the measure is the same on every run. */
function sequence(): (below: number) => number {
  let state = 42;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The high bits: the low ones of this generator repeat after a few thousand draws.
    return Math.floor((state / 2 ** 32) * below);
  };
}

function heapBytes(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

test(`a pending job with a spec of its own costs at most ${BYTES_MAX} B at ${JOBS} jobs`, () => {
  const cluster = new TestCluster();
  const random = sequence();
  const before = heapBytes();

  for (let first = 0; first < JOBS; first += BATCH) {
    const jobs = Array.from({ length: BATCH }, (_, i) => ({
      jobId: mintJobId(random),
      spec: encodeSpec(specWith({ command: ["sh", "-ec", `echo ${first + i}`] })),
    }));
    cluster.change({ kind: "submit-jobs", jobs });
    cluster.entries.length = 0;
  }

  const bytesPerJob = Math.round((heapBytes() - before) / JOBS);
  expect(cluster.state.counts.pending).toBe(JOBS);
  expect(bytesPerJob).toBeLessThanOrEqual(BYTES_MAX);
}, 30_000);
