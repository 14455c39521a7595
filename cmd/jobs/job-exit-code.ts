import { constants } from "node:os";
import type { Job } from "../../engine/client/client.ts";
import { cleanLine } from "../../engine/lib/clean-text.ts";
import { EXIT_JOB_TIMEOUT, EXIT_NL_TROUBLE } from "../report-error.ts";

const SIGNAL_BASE = 128;
const EXIT_KILLED = 137;
const EXIT_TERMINATED = 143;

/** What `run`, `submit --wait` and `wait` exit with: the job's own code where it has one (DESIGN §5). */
export function jobExitCode(job: Job): number {
  if (job.state === "completed") return 0;
  switch (job.reason) {
    case "timeout":
      return EXIT_JOB_TIMEOUT;
    case "oom-killed":
    case "killed":
    case "output-limit":
      return EXIT_KILLED;
    default:
      break;
  }
  if (job.state === "cancelled") return EXIT_TERMINATED;
  if (job.exitCode !== undefined) return job.exitCode;
  return job.signal === "" ? EXIT_NL_TROUBLE : SIGNAL_BASE + signalNumber(job.signal);
}

function signalNumber(name: string): number {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return numbers[name] ?? 0;
}

/** The stable code of a job that never ran, for scripts; null when there was an attempt to speak of. */
export function troubleCode(job: Job): string | null {
  const neverRan = job.state === "failed" && job.exitCode === undefined && job.signal === "";
  const isNls = neverRan && jobExitCode(job) === EXIT_NL_TROUBLE;
  return isNls && job.reason !== "" ? job.reason.replaceAll("-", "_") : null;
}

/** One sentence on how a job ended when its code alone does not say it; empty otherwise. */
export function endSentence(job: Job): string {
  if (job.state === "completed" || job.reason === "exit-code") return "";
  const why = job.detail === "" ? "" : `: ${cleanLine(job.detail)}`;
  const bySignal = job.reason === "signal" || job.reason === "killed";
  if (bySignal && job.signal !== "") return `${job.id} was ended by ${job.signal}${why}`;
  if (job.state === "cancelled") return `${job.id} was cancelled${why}`;
  const reason = job.reason === "" ? "failed" : job.reason;
  return `${job.id} ${job.state} (${reason})${why}`;
}
