import type { Job } from "../client/client.ts";
import { cleanLine } from "../lib/clean-text.ts";
import { type JobFilter, matches } from "./filter.ts";
import { fit, fitRight, formatClock, type Tone } from "./format.ts";
import { type Line, span } from "./line.ts";

const GLYPHS: Readonly<Record<string, { readonly glyph: string; readonly tone: Tone }>> = {
  pending: { glyph: "○", tone: "muted" },
  assigned: { glyph: "◌", tone: "muted" },
  running: { glyph: "●", tone: "live" },
  completed: { glyph: "✓", tone: "ok" },
  failed: { glyph: "✗", tone: "error" },
  cancelled: { glyph: "⊘", tone: "warn" },
};

/** Jobs that pass the filter, newest first. */
export function jobRows(jobs: ReadonlyMap<string, Job>, filter: JobFilter): readonly Job[] {
  const rows: Job[] = [];
  for (const job of jobs.values()) {
    const name = nameOf(job);
    const { id, state, nodeId } = job;
    if (matches(filter, { id, name, state, nodeId })) rows.push(job);
  }
  return rows.sort((a, b) => b.submittedIndex - a.submittedIndex || (a.id < b.id ? 1 : -1));
}

export function nameOf(job: Job): string {
  const named = job.spec?.name ?? "";
  return cleanLine(named === "" ? (job.spec?.command ?? []).join(" ") : named);
}

const ID = 13;
const STATE = 21;
const NODE = 5;
const TIME = 9;
const FIXED = ID + STATE + NODE + TIME + 5;

export function jobHeader(width: number): Line {
  const name = fit("NAME", Math.max(4, width - FIXED));
  const rest = `${fit("STATE", STATE)}${fit("NODE", NODE)}${fitRight("TIME", TIME)}`;
  return [span(`   ${fit("ID", ID)}${name} ${rest}`, "muted")];
}

/** State is always glyph and word: colour only adds. */
export function jobLine(job: Job, options: { readonly width: number; readonly now: number }): Line {
  const { glyph, tone } = stateTone(job);
  const name = fit(nameOf(job), Math.max(4, options.width - FIXED));
  return [
    span(`${fit(job.id, ID)}${name} `),
    span(fit(`${glyph} ${stateWords(job)}`, STATE), tone),
    span(`${fit(job.nodeId === "" ? "-" : job.nodeId, NODE)}`),
    span(fitRight(timeOf(job, options.now), TIME), "muted"),
  ];
}

export const stateTone = (job: Job): { readonly glyph: string; readonly tone: Tone } =>
  GLYPHS[job.state] ?? { glyph: "?", tone: "plain" };

/** "failed exit 137", "running cancelling", "pending backoff". */
export function stateWords(job: Job): string {
  if (job.state === "failed" && job.exitCode !== undefined) return `failed exit ${job.exitCode}`;
  const isPlain = job.reason === "" || job.reason === "queued" || job.reason === job.state;
  return isPlain ? job.state : `${job.state} ${job.reason}`;
}

/** How long it has run, or ran; how long it has waited before that. */
export function timeOf(job: Job, now: number): string {
  const from = job.startedAt > 0 ? job.startedAt : job.submittedAt;
  const until = job.finishedAt > 0 ? job.finishedAt : now;
  return formatClock(Math.max(0, until - from));
}
