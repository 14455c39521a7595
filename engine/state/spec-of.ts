import { InvariantError } from "../lib/assert.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { SpecRecord } from "./cluster-state.ts";
import { decodeSpec } from "./spec-codec.ts";

const DECODED_MAX = 2048;

/** A memo of a pure function: first in, first out. A decoded spec costs ten times its bytes. */
const decoded = new Map<SpecRecord, JobSpec>();

/** The decoded spec of a record; cheap when it was asked for recently. */
export function specOf(record: SpecRecord): JobSpec {
  const known = decoded.get(record);
  if (known !== undefined) return known;
  // A copy, because reading hangs an ArrayBuffer on the bytes, which outlives the decoded spec.
  const result = decodeSpec(new Uint8Array(record.bytes));
  if (!result.ok) throw new InvariantError(`spec ${record.hash} in the state: ${result.error}`);
  if (decoded.size >= DECODED_MAX) {
    for (const oldest of decoded.keys()) {
      decoded.delete(oldest);
      break;
    }
  }
  decoded.set(record, result.value);
  return result.value;
}
