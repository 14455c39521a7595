import type { OutputChunk as WireChunk } from "../../proto/gen/nl/v1/jobs.ts";
import type { JobSpec as WireSpec } from "../../proto/gen/nl/v1/spec.ts";
import type {
  StartTaskRequest,
  DriverStatus as WireDriver,
  TaskStatus as WireStatus,
} from "../../proto/gen/nl/v1/task_host.ts";
import { assert } from "../lib/assert.ts";
import { type AttemptId, parseAttemptId, type UnixMillis } from "../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import type { OutputChunk } from "../platform/output-reader.ts";
import type { DriverStatus, StopReason, TaskRequest, TaskStatus } from "../platform/task-host.ts";

/**
 * Both ends of this wire are the same program, started one after the other, so a word that is not
 * known comes from another version: it is passed on where it is only shown, refused where it acts.
 */

export function encodeRequest(request: TaskRequest): StartTaskRequest {
  const { attemptId, fence, clusterId, spec } = request;
  const attemptNumber = parseAttemptId(attemptId).number;
  return { attemptId, fence, clusterId, attemptNumber, spec: encodeSpec(spec) };
}

/** Null: there is no spec in it, or nothing to run. */
export function decodeRequest(wire: StartTaskRequest): TaskRequest | null {
  if (wire.spec === undefined || wire.spec.command.length === 0) return null;
  const { attemptId, fence, clusterId, spec } = wire;
  return { attemptId: attemptId as AttemptId, fence, clusterId, spec: decodeSpec(spec) };
}

function encodeSpec(spec: JobSpec): WireSpec {
  const { resources, retries, command, env, labels, ...rest } = spec;
  return {
    ...rest,
    ...resources,
    command: [...command],
    env: { ...env },
    labels: { ...labels },
    retries: { ...retries, onExit: [...retries.onExit], notOnExit: [...retries.notOnExit] },
  };
}

function decodeSpec(wire: WireSpec): JobSpec {
  const { cpuMillis, memoryBytes, pids, driver, onLost, retries, ...rest } = wire;
  assert(isDriverChoice(driver), `the driver of an accepted spec is known: ${driver}`);
  assert(isOnLost(onLost), `on_lost of an accepted spec is known: ${onLost}`);
  const resources = { cpuMillis, memoryBytes, pids };
  return { ...rest, driver, onLost, resources, retries: retries ?? SPEC_DEFAULTS.retries };
}

const isDriverChoice = (word: string): word is JobSpec["driver"] =>
  ["auto", "docker", "process", "plain"].includes(word);

const isOnLost = (word: string): word is JobSpec["onLost"] =>
  ["rerun", "fail", "wait"].includes(word);

export const isStopReason = (word: string): word is StopReason =>
  ["cancelled", "drain", "unknown", "lease", "shutdown"].includes(word);

export function encodeStatus(status: TaskStatus): WireStatus {
  const { exitCode, ...rest } = status;
  return {
    ...rest,
    startedAt: status.startedAt ?? 0,
    finishedAt: status.finishedAt ?? 0,
    end: status.end ?? "",
    exitCode: exitCode ?? undefined,
    snapshotDone: false,
  };
}

export const SNAPSHOT_DONE: WireStatus = {
  ...{ attemptId: "", fence: 0, phase: "", startedAt: 0, finishedAt: 0, end: "" },
  ...{ exitCode: undefined, signal: "", detail: "", stdoutBytes: 0, stderrBytes: 0 },
  ...{ outputAtLeast: false, driver: "", peakMemoryBytes: 0, snapshotDone: true },
};

export function decodeStatus(wire: WireStatus): TaskStatus {
  const { snapshotDone: _, exitCode, startedAt, finishedAt, ...rest } = wire;
  return {
    ...rest,
    attemptId: wire.attemptId as AttemptId,
    phase: wire.phase as TaskStatus["phase"],
    end: wire.end === "" ? null : (wire.end as TaskStatus["end"]),
    startedAt: startedAt === 0 ? null : (startedAt as UnixMillis),
    finishedAt: finishedAt === 0 ? null : (finishedAt as UnixMillis),
    exitCode: exitCode ?? null,
  };
}

export const encodeDriver = (driver: DriverStatus): WireDriver => ({
  ...driver,
  limits: [...driver.limits],
});

export const decodeDriver = (wire: WireDriver): DriverStatus => ({
  ...wire,
  name: wire.name as DriverStatus["name"],
});

const STREAMS = ["none", "stdout", "stderr"] as const;

export function encodeChunk(chunk: OutputChunk, attempt: number): WireChunk {
  const { offset, skippedBytes, complete, data } = chunk;
  const stream = STREAMS.indexOf(chunk.stream);
  return { offset, stream, skippedBytes, complete, attempt, at: Date.now(), data: asBuffer(data) };
}

export function decodeChunk(wire: WireChunk): OutputChunk {
  const { offset, data, skippedBytes, complete } = wire;
  return { offset, data, skippedBytes, complete, stream: STREAMS[wire.stream] ?? "none" };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
