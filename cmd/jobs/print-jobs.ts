import type { Job } from "../../engine/client/client.ts";
import { formatDuration } from "../../engine/lib/format-duration.ts";
import type { Printing } from "../print.ts";

/** How jobs are listed: one definition for `ps` and whatever else prints jobs. */
export const jobPrinting = (now: number): Printing<Job> => ({
  columns: [
    { title: "ID", value: ({ id }) => id },
    { title: "NAME", value: (job) => cut(nameOf(job)) },
    { title: "STATE", value: stateOf },
    { title: "NODE", value: ({ nodeId }) => (nodeId === "" ? "-" : nodeId) },
    {
      title: "AGE",
      value: ({ submittedAt }) => formatDuration(now - submittedAt),
      alignRight: true,
    },
    { title: "TOOK", value: (job) => tookOf(job, now), alignRight: true },
    { title: "IMAGE", value: ({ spec }) => spec?.image ?? "", isWide: true },
    { title: "BY", value: ({ principal }) => principal, isWide: true },
    { title: "COMMAND", value: ({ spec }) => (spec?.command ?? []).join(" "), isWide: true },
  ],
  data: jobData,
  name: ({ id }) => id,
});

const NAME_WIDTH = 32;
const cut = (text: string): string =>
  [...text].length > NAME_WIDTH ? `${[...text].slice(0, NAME_WIDTH - 1).join("")}…` : text;

const nameOf = ({ spec }: Job): string =>
  spec === undefined || spec.name === "" ? (spec?.command ?? []).join(" ") : spec.name;

function stateOf({ state, reason, exitCode }: Job): string {
  if (state === "failed" && exitCode !== undefined) return `failed ${exitCode}`;
  return reason === "" || reason === "queued" ? state : `${state} (${reason})`;
}

function tookOf({ startedAt, finishedAt }: Job, now: number): string {
  if (startedAt === 0) return "-";
  return formatDuration((finishedAt === 0 ? now : finishedAt) - startedAt);
}

const timeOrNull = (millis: number): string | null =>
  millis === 0 ? null : new Date(millis).toISOString();

/** Stable names, RFC 3339 UTC, exact numbers. */
function jobData(job: Job) {
  const { spec } = job;
  return {
    api: "v1",
    id: job.id,
    name: nameOf(job),
    state: job.state,
    reason: job.reason,
    exitCode: job.exitCode ?? null,
    signal: job.signal,
    node: job.nodeId === "" ? null : job.nodeId,
    by: job.principal,
    submittedAt: timeOrNull(job.submittedAt),
    startedAt: timeOrNull(job.startedAt),
    finishedAt: timeOrNull(job.finishedAt),
    detail: job.detail,
    waitingFor: job.waitingFor,
    spec: spec ?? null,
  };
}

/** The same with every attempt: what one job is asked for. Lists come without attempts. */
export const jobDetail = (job: Job): unknown => ({
  ...jobData(job),
  attempts: job.attempts.map((attempt) => ({
    ...attempt,
    exitCode: attempt.exitCode ?? null,
    assignedAt: timeOrNull(attempt.assignedAt),
    startedAt: timeOrNull(attempt.startedAt),
    finishedAt: timeOrNull(attempt.finishedAt),
  })),
});
