import { formatCount } from "./format.ts";
import type { Scene } from "./frame.ts";
import { jobHeader, jobLine, jobRows } from "./job-rows.ts";
import { EMPTY_LINE, inverted, type Line, plainLine, span } from "./line.ts";
import { selectedJob } from "./press.ts";

/** The job table: the window around the selection, cut here and not by a list component. */
export function jobsScreen(scene: Scene, rows: number): readonly Line[] {
  const { model, ui, size, now } = scene;
  const jobs = jobRows(model.jobs, ui.filter);
  const width = size.columns - 3;
  if (jobs.length === 0) {
    const text =
      model.jobs.size > 0
        ? "   no job matches the filter"
        : "   no jobs yet. Try: nl run -- echo hello";
    return [jobHeader(width), EMPTY_LINE, plainLine(text, "muted")];
  }
  const chosen = selectedJob(ui, model);
  const at = jobs.findIndex(({ id }) => id === chosen);
  const room = Math.max(1, rows - 2);
  const start = Math.max(0, Math.min(jobs.length - room, at - Math.floor(room / 2)));
  const shown = jobs.slice(start, start + room);
  const lines = shown.map((job): Line => {
    const line: Line = [span(job.id === chosen ? " > " : "   "), ...jobLine(job, { width, now })];
    return job.id === chosen ? inverted(line) : line;
  });
  const blank = Array.from({ length: room - lines.length }, () => EMPTY_LINE);
  const total = Math.max(model.totalJobs, model.jobs.size);
  const count = `   ${formatCount(start + 1)}–${formatCount(start + shown.length)} of ${formatCount(jobs.length)} shown, ${formatCount(total)} in the cluster, newest first`;
  return [jobHeader(width), ...lines, ...blank, plainLine(count, "muted")];
}
