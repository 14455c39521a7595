import type { Attempt, Job } from "../client/client.ts";
import { cleanLine } from "../lib/clean-text.ts";
import { fit, formatBytes, formatClock, formatCount, formatTimeOfDay } from "./format.ts";
import type { Scene } from "./frame.ts";
import { nameOf, stateTone, stateWords, timeOf } from "./job-rows.ts";
import { bold, EMPTY_LINE, type Line, plainLine, span } from "./line.ts";
import type { LogState } from "./ui-state.ts";

const ATTEMPTS_MAX = 4;

/** One job: what it is, every attempt, and its output as it comes. */
export function jobScreen(scene: Scene, rows: number): readonly Line[] {
  const { model, ui, size, now } = scene;
  const job = withAttempts(model.jobs.get(ui.jobId), ui.detail);
  if (job === undefined)
    return [EMPTY_LINE, plainLine(`   ${ui.jobId} is not here any more`, "warn")];
  const top = [...facts(job, now), EMPTY_LINE, ...attempts(job, now), EMPTY_LINE];
  return [
    ...top,
    ...output(ui.log, { scroll: ui.logScroll, rows: rows - top.length, columns: size.columns }),
  ];
}

function withAttempts(row: Job | undefined, detail: Job | null): Job | undefined {
  if (row === undefined || detail?.id !== row.id) return row;
  return { ...row, attempts: detail.attempts };
}

function facts(job: Job, now: number): readonly Line[] {
  const { glyph, tone } = stateTone(job);
  const { spec } = job;
  const image = spec === undefined || spec.image === "" ? "default image" : spec.image;
  const memory = formatBytes(spec?.memoryBytes ?? 0);
  const cpu = ((spec?.cpuMillis ?? 0) / 1000).toFixed(1);
  const why = job.detail !== "" ? job.detail : job.waitingFor;
  return [
    [bold(` ${job.id}  ${nameOf(job)}`)],
    [
      span(` ${glyph} ${stateWords(job)}`, tone),
      span(
        `  ${timeOf(job, now)}   node ${job.nodeId === "" ? "-" : job.nodeId}   by ${cleanLine(job.principal)}`,
      ),
    ],
    plainLine(
      ` ${cleanLine(image)}   cpu ${cpu}   memory ${memory}   priority ${spec?.priority ?? 0}`,
      "muted",
    ),
    ...(why === "" ? [] : [plainLine(` ${cleanLine(why)}`, "warn")]),
  ];
}

function attempts(job: Job, now: number): readonly Line[] {
  if (job.attempts.length === 0) {
    return [plainLine(job.startedAt > 0 ? " …" : " not started yet", "muted")];
  }
  const header = ` ${fit("TRY", 5)}${fit("NODE", 6)}${fit("STATE", 12)}${fit("END", 16)}${fit("WHY", 12)}${fit("STARTED", 10)}TOOK`;
  const newest = job.attempts.slice(-ATTEMPTS_MAX).reverse();
  return [plainLine(header, "muted"), ...newest.map((attempt) => attemptLine(attempt, now))];
}

function attemptLine(attempt: Attempt, now: number): Line {
  const code = attempt.exitCode === undefined ? "" : ` ${attempt.exitCode}`;
  const end = `${attempt.end === "" ? "-" : attempt.end}${code}`;
  const started = attempt.startedAt > 0 ? formatTimeOfDay(attempt.startedAt) : "-";
  const until = attempt.finishedAt > 0 ? attempt.finishedAt : now;
  const took = attempt.startedAt > 0 ? formatClock(until - attempt.startedAt) : "-";
  return plainLine(
    ` ${fit(String(attempt.number), 5)}${fit(attempt.nodeId, 6)}${fit(attempt.state, 12)}` +
      `${fit(end, 16)}${fit(attempt.cause, 12)}${fit(started, 10)}${took}`,
  );
}

function output(
  log: LogState | null,
  {
    scroll,
    rows,
    columns,
  }: { readonly scroll: number; readonly rows: number; readonly columns: number },
): readonly Line[] {
  const title = logTitle(log, scroll);
  const rule = plainLine(
    `── ${title} ${"─".repeat(Math.max(0, columns - title.length - 4))}`,
    "muted",
  );
  const room = Math.max(0, rows - 1);
  const lines = log === null ? [] : [...log.lines, ...(log.partial === "" ? [] : [log.partial])];
  const end = Math.max(0, lines.length - scroll);
  const shown = lines.slice(Math.max(0, end - room), end);
  return [rule, ...shown.map((line) => plainLine(` ${cleanLine(line)}`))];
}

function logTitle(log: LogState | null, scroll: number): string {
  if (log === null) return "output";
  const follows = scroll === 0 ? "following" : `${formatCount(scroll)} lines up`;
  const state = log.state === "reading" ? follows : log.state === "ended" ? "complete" : log.note;
  const dropped = log.dropped > 0 ? `, ${formatCount(log.dropped)} earlier lines not shown` : "";
  return `output · ${formatCount(log.lines.length)} lines · ${state}${dropped}`;
}
