import { bunRandom } from "../../../engine/bun-platform.ts";
import type { Submission } from "../../../engine/client/client.ts";
import { parseJobSpec } from "../../../engine/config/job-spec-schema.ts";
import { mintJobId } from "../../../engine/lib/ids.ts";

/** A new job, from the fields of a spec file. */
export function newJob(fields: Readonly<Record<string, unknown>>): Submission {
  const parsed = parseJobSpec(fields);
  if (!parsed.ok) throw new Error(`${parsed.error.field} ${parsed.error.message}`);
  return { jobId: mintJobId((n) => bunRandom().below(n)), spec: parsed.value };
}
