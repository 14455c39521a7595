import type { DriverChoice } from "../lib/job-spec.ts";
import type { DriverStatus } from "../platform/task-host.ts";
import { allowedBy } from "./driver-ladder.ts";

/**
 * One sentence when jobs without an image do not run in the best driver that the operator asked
 * for, with the reason (DESIGN, Drivers: each step down is said). Empty: they do.
 */
export function stepsDown(drivers: readonly DriverStatus[], choice: DriverChoice): string {
  const asked = drivers.filter(({ name }) => allowedBy(choice).includes(name));
  if (asked.length === 0) return "";
  const first = asked.findIndex(runsUnnamed);
  const chosen = asked[first]?.name;
  const why = asked
    .slice(0, first < 0 ? asked.length : first)
    .map(({ name, detail }) => `${name}: ${detail}`)
    .join("; ");
  if (chosen === undefined) return `jobs without an image cannot run here (${why})`;
  if (chosen === "plain") {
    return `jobs run as plain processes, without isolation${why === "" ? "" : ` (${why})`}`;
  }
  return why === "" ? "" : `jobs without an image run in ${chosen} (${why})`;
}

/** Docker that has something to say works, but lacks the image for jobs that name none. */
const runsUnnamed = ({ name, usable, detail }: DriverStatus): boolean =>
  usable && (name !== "docker" || detail === "");
