import { BinaryReader } from "@bufbuild/protobuf/wire";
import { JobSpec as WireSpec } from "../../proto/gen/nl/v1/spec.ts";
import type { DriverChoice, JobSpec, OnLost } from "../lib/job-spec.ts";
import { err, ok, type Result } from "../lib/result.ts";

const DRIVERS: ReadonlySet<string> = new Set<DriverChoice>(["auto", "docker", "process", "plain"]);
const ON_LOST: ReadonlySet<string> = new Set<OnLost>(["rerun", "fail", "wait"]);
const PRIORITY_TAG = 15 << 3;

/** The canonical bytes of a spec: maps are written in key order, so equal specs give equal bytes. */
export function encodeSpec(spec: JobSpec): Uint8Array {
  return WireSpec.encode({
    name: spec.name,
    command: [...spec.command],
    image: spec.image,
    driver: spec.driver,
    env: sorted(spec.env),
    cpuMillis: spec.resources.cpuMillis,
    memoryBytes: spec.resources.memoryBytes,
    pids: spec.resources.pids,
    timeoutMillis: spec.timeoutMillis,
    startTimeoutMillis: spec.startTimeoutMillis,
    killGraceMillis: spec.killGraceMillis,
    retries: {
      count: spec.retries.count,
      backoffMillis: spec.retries.backoffMillis,
      maxBackoffMillis: spec.retries.maxBackoffMillis,
      onExit: [...spec.retries.onExit],
      notOnExit: [...spec.retries.notOnExit],
    },
    onLost: spec.onLost,
    once: spec.once,
    priority: spec.priority,
    labels: sorted(spec.labels),
    outputKeepBytes: spec.outputKeepBytes,
  }).finish();
}

/** The error is one sentence. Decoding is not validation: `engine/config` has the schema. */
export function decodeSpec(bytes: Uint8Array): Result<JobSpec, string> {
  const wire = decodeWire(bytes);
  if (wire === null) return err("the spec's bytes are not a JobSpec message");
  if (!isDriver(wire.driver)) return err(`the spec names an unknown driver: ${wire.driver}`);
  if (!isOnLost(wire.onLost)) return err(`the spec has an unknown on_lost: ${wire.onLost}`);
  return ok({
    name: wire.name,
    command: wire.command,
    image: wire.image,
    driver: wire.driver,
    env: wire.env,
    resources: { cpuMillis: wire.cpuMillis, memoryBytes: wire.memoryBytes, pids: wire.pids },
    timeoutMillis: wire.timeoutMillis,
    startTimeoutMillis: wire.startTimeoutMillis,
    killGraceMillis: wire.killGraceMillis,
    retries: {
      count: wire.retries?.count ?? 0,
      backoffMillis: wire.retries?.backoffMillis ?? 0,
      maxBackoffMillis: wire.retries?.maxBackoffMillis ?? 0,
      onExit: wire.retries?.onExit ?? [],
      notOnExit: wire.retries?.notOnExit ?? [],
    },
    onLost: wire.onLost,
    once: wire.once,
    priority: wire.priority,
    labels: wire.labels,
    outputKeepBytes: wire.outputKeepBytes,
  });
}

/**
 * Reads the priority alone: submit needs nothing else of a spec, and decoding all of it would cost
 * more than the rest of apply. 0 when the bytes are not a spec.
 */
export function priorityOf(bytes: Uint8Array): number {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === PRIORITY_TAG) return reader.uint32();
      reader.skip(tag & 7);
    }
    return 0;
  } catch (_notASpec) {
    return 0;
  }
}

function decodeWire(bytes: Uint8Array): WireSpec | null {
  try {
    return WireSpec.decode(bytes);
  } catch (_malformed) {
    return null;
  }
}

const isDriver = (word: string): word is DriverChoice => DRIVERS.has(word);
const isOnLost = (word: string): word is OnLost => ON_LOST.has(word);

function sorted(map: Readonly<Record<string, string>>): Record<string, string> {
  const copy: Record<string, string> = {};
  for (const key of Object.keys(map).sort()) copy[key] = map[key] ?? "";
  return copy;
}
