import { formatLatency } from "../lib/format-duration.ts";
import { formatCount } from "./format.ts";
import type { Scene } from "./frame.ts";
import { jobHeader, jobLine, jobRows } from "./job-rows.ts";
import { EMPTY_LINE, inverted, type Line, plainLine, span } from "./line.ts";
import { peerHeader, peerLine, peerRows } from "./peer-rows.ts";
import { selectedNode } from "./press.ts";

/** The first screen: who leads, how far everyone is, and the newest jobs. */
export function clusterScreen(scene: Scene, rows: number): readonly Line[] {
  const { model, ui, size, now } = scene;
  const chosen = selectedNode(ui, model);
  const peers = peerRows(model);
  const top = [
    peerHeader(),
    ...peers.map((row) => {
      const line: Line = [span(row.id === chosen ? " > " : "   "), ...peerLine(row)];
      return row.id === chosen ? inverted(line) : line;
    }),
    logLine(scene),
    plainLine("─".repeat(size.columns), "muted"),
  ];
  const jobs = jobRows(model.jobs, ui.filter);
  const room = Math.max(0, rows - top.length - 1);
  const shown = jobs.slice(0, room);
  if (jobs.length === 0) return [...top, EMPTY_LINE, plainLine(noJobs(scene), "muted")];
  return [
    ...top,
    jobHeader(size.columns - 3),
    ...shown.map((job): Line => [span("   "), ...jobLine(job, { width: size.columns - 3, now })]),
  ];
}

const noJobs = ({ model, ui }: Scene): string =>
  model.jobs.size > 0 && ui.filterText !== ""
    ? "   no job matches the filter"
    : "   no jobs yet. Try: nl run -- echo hello";

function logLine({ model, size }: Scene): Line {
  const { status } = model;
  if (status === null) return EMPTY_LINE;
  const voters = status.peers.filter(({ role }) => role !== "learner").length;
  const quorum = Math.floor(voters / 2) + 1;
  const age =
    status.digestAgeMillis > 2_000
      ? `  peers as of ${Math.round(status.digestAgeMillis / 1000)}s ago`
      : "";
  const text =
    `   log ${formatCount(status.lastIndex)}  commit ${formatCount(status.commitIndex)}` +
    `  applied ${formatCount(status.appliedIndex)}   quorum ${quorum}/${voters}` +
    `  tolerates ${Math.max(0, voters - quorum)}${age}`;
  const write = status.logWrite;
  const disk = write && write.count > 0 ? `  disk ${formatLatency(write.p50Micros)}` : "";
  const hasRoom = text.length + disk.length <= size.columns;
  return plainLine(hasRoom ? text + disk : text, "muted");
}
