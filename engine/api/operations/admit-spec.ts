import { JobSpec as SpecMessage } from "../../../proto/gen/nl/v1/spec.ts";
import type { SpecError } from "../../config/spec-error.ts";
import { validateSpec } from "../../config/spec-rules.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import { type JobSpec, SPEC_BYTES_MAX, SPEC_DEFAULTS } from "../../lib/job-spec.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { decodeSpec, encodeSpec } from "../../state/spec-codec.ts";

/** Specs remembered as admitted, so that a thousand jobs of one spec are checked once. */
const REMEMBERED_MAX = 512;
const REMEMBERED_BYTES_MAX = 2 * 1024;

/** Bytes as they came (each a character) → canonical bytes. First in, first out. */
const remembered = new Map<string, Uint8Array>();

/** Checks a spec against the one schema, and gives its canonical bytes for the log. */
export function admitSpec(bytes: Uint8Array): Result<Uint8Array, NlError> {
  if (bytes.length > SPEC_BYTES_MAX) return err(tooLarge(bytes.length));
  if (bytes.length > REMEMBERED_BYTES_MAX) return admitAfresh(bytes);
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const known = remembered.get(key);
  if (known !== undefined) return ok(known);
  const admitted = admitAfresh(bytes);
  if (admitted.ok) remember(key, admitted.value);
  return admitted;
}

function remember(key: string, canonical: Uint8Array): void {
  if (remembered.size >= REMEMBERED_MAX) {
    for (const oldest of remembered.keys()) {
      remembered.delete(oldest);
      break;
    }
  }
  remembered.set(key, canonical);
}

function admitAfresh(bytes: Uint8Array): Result<Uint8Array, NlError> {
  const spec = readSpec(bytes);
  if (!spec.ok) return err(invalid({ field: "", message: spec.error, suggestion: "" }));
  const valid = validateSpec(spec.value);
  if (!valid.ok) return err(invalid(valid.error));
  const canonical = encodeSpec(valid.value);
  return canonical.length > SPEC_BYTES_MAX ? err(tooLarge(canonical.length)) : ok(canonical);
}

/** Other people's clients send what they care about only; ours sends every field. */
function readSpec(bytes: Uint8Array): Result<JobSpec, string> {
  const spec = decodeSpec(bytes);
  if (spec.ok) return spec;
  const message = decodePartial(bytes);
  if (message === null || message.driver !== "") return spec;
  return decodeSpec(SpecMessage.encode(withDefaults(message)).finish());
}

function decodePartial(bytes: Uint8Array): SpecMessage | null {
  try {
    return SpecMessage.decode(bytes);
  } catch {
    // `decodeSpec` has said so already.
    return null;
  }
}

/** Zero means "not said" where zero is not a value. A priority of 0 cannot be told from none. */
function withDefaults(message: SpecMessage): SpecMessage {
  const { resources, retries } = SPEC_DEFAULTS;
  return {
    ...message,
    driver: SPEC_DEFAULTS.driver,
    cpuMillis: message.cpuMillis || resources.cpuMillis,
    memoryBytes: message.memoryBytes || resources.memoryBytes,
    pids: message.pids || resources.pids,
    timeoutMillis: message.timeoutMillis || SPEC_DEFAULTS.timeoutMillis,
    startTimeoutMillis: message.startTimeoutMillis || SPEC_DEFAULTS.startTimeoutMillis,
    killGraceMillis: message.killGraceMillis || SPEC_DEFAULTS.killGraceMillis,
    retries: message.retries ?? {
      ...retries,
      onExit: [...retries.onExit],
      notOnExit: [...retries.notOnExit],
    },
    onLost: message.onLost || SPEC_DEFAULTS.onLost,
    outputKeepBytes: message.outputKeepBytes || SPEC_DEFAULTS.outputKeepBytes,
  };
}

function invalid(error: SpecError): NlError {
  const subject = error.field === "" ? "the job spec" : error.field;
  return nlError("invalid_spec", `${subject}: ${error.message}`, error.suggestion);
}

const tooLarge = (bytes: number): NlError =>
  nlError(
    "too_large",
    `the job spec has ${bytes} bytes; at most ${SPEC_BYTES_MAX} are taken`,
    "put large data where the job can fetch it",
  );
