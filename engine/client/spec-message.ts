import type { JobSpec as SpecMessage } from "../../proto/gen/nl/v1/spec.ts";
import type { JobSpec } from "../lib/job-spec.ts";

/** A spec as it travels; the node that accepts it brings it into its canonical form. */
export const specMessage = (spec: JobSpec): SpecMessage => ({
  name: spec.name,
  command: [...spec.command],
  image: spec.image,
  driver: spec.driver,
  env: spec.env,
  cpuMillis: spec.resources.cpuMillis,
  memoryBytes: spec.resources.memoryBytes,
  pids: spec.resources.pids,
  timeoutMillis: spec.timeoutMillis,
  startTimeoutMillis: spec.startTimeoutMillis,
  killGraceMillis: spec.killGraceMillis,
  retries: {
    ...spec.retries,
    onExit: [...spec.retries.onExit],
    notOnExit: [...spec.retries.notOnExit],
  },
  onLost: spec.onLost,
  once: spec.once,
  priority: spec.priority,
  labels: spec.labels,
  outputKeepBytes: spec.outputKeepBytes,
});
