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
 * more than the rest of apply. Reads the bytes where they are: a reader object would hang an
 * ArrayBuffer on them, 100 B for as long as the job is kept. 0 when the bytes are not a spec.
 */
export function priorityOf(bytes: Uint8Array): number {
  let position = 0;
  while (position < bytes.length) {
    const tag = varintAt(bytes, position);
    const value = varintAt(bytes, tag.end);
    if (tag.value === PRIORITY_TAG) return value.value;
    const wireType = tag.value & 7;
    if (wireType === VARINT) position = value.end;
    else if (wireType === BYTES) position = value.end + value.value;
    else return 0;
  }
  return 0;
}

const VARINT = 0;
const BYTES = 2;

type Varint = { readonly value: number; readonly end: number };

const VARINT_BYTES_MAX = 8;

/** Up to 53 bits; what is longer is no value of a spec, and ends the reading. */
function varintAt(bytes: Uint8Array, start: number): Varint {
  let value = 0;
  let scale = 1;
  let end = start;
  for (; end < bytes.length && end - start < VARINT_BYTES_MAX; end++) {
    const byte = bytes[end] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) return { value, end: end + 1 };
  }
  return { value: 0, end: bytes.length };
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
