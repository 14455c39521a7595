import { clusterScreen } from "./cluster-screen.ts";
import { dialogScreen } from "./dialog-screen.ts";
import { formatCount } from "./format.ts";
import { helpScreen } from "./help-screen.ts";
import { jobScreen } from "./job-screen.ts";
import { jobsScreen } from "./jobs-screen.ts";
import { BINDINGS, keyName } from "./keymap.ts";
import { bold, cutLine, EMPTY_LINE, type Line, plainLine, span, spread } from "./line.ts";
import type { Model } from "./model.ts";
import type { UiState } from "./ui-state.ts";

export type Size = { readonly columns: number; readonly rows: number };
export type Scene = {
  readonly model: Model;
  readonly ui: UiState;
  readonly size: Size;
  /** Unix milliseconds. */
  readonly now: number;
};

const COLUMNS_MIN = 60;
const ROWS_MIN = 16;
/** Header, tabs, rule above the body; message and keys below it. */
const CHROME_ROWS = 5;

/** The whole screen: exactly `size.rows` lines of at most `size.columns` cells. */
export function frame(scene: Scene): readonly Line[] {
  const { columns, rows } = scene.size;
  if (columns < COLUMNS_MIN || rows < ROWS_MIN) return tooSmall(scene.size);
  const body = bodyOf(scene, rows - CHROME_ROWS).slice(0, rows - CHROME_ROWS);
  const blank = Array.from({ length: rows - CHROME_ROWS - body.length }, () => EMPTY_LINE);
  const isStale = scene.model.connection.kind === "reconnecting";
  const lines = [
    header(scene),
    tabs(scene),
    plainLine((isStale ? "~" : "─").repeat(columns), "muted"),
    ...body,
    ...blank,
    messageLine(scene),
    footer(scene),
  ];
  return lines.map((line) => cutLine(line, columns));
}

function bodyOf(scene: Scene, rows: number): readonly Line[] {
  if (scene.ui.help) return helpScreen(scene.ui.view);
  if (scene.ui.dialog !== null) return dialogScreen(scene.ui.dialog, scene.size.columns, rows);
  switch (scene.ui.view) {
    case "cluster":
      return clusterScreen(scene, rows);
    case "jobs":
      return jobsScreen(scene, rows);
    case "job":
      return jobScreen(scene, rows);
    default:
      return scene.ui.view satisfies never;
  }
}

function header({ model, size, now }: Scene): Line {
  const { status } = model;
  const name = model.clusterName === "" ? "…" : model.clusterName;
  const left: Line = [
    bold(` nl ${name}`),
    span("   "),
    ...(status === null ? [] : leaderSpans(status.leaderId)),
    span(
      status === null ? "" : `   term ${status.term}   commit ${formatCount(status.commitIndex)}`,
    ),
  ];
  return spread(left, [connectionSpan(model, now), span(" ")], size.columns);
}

const leaderSpans = (leaderId: string): Line =>
  leaderId === "" ? [span("▲ no leader", "error")] : [span(`▲ leader ${leaderId}`, "accent")];

function connectionSpan(model: Model, now: number) {
  const { connection } = model;
  switch (connection.kind) {
    case "connecting":
      return span(`◌ connecting ${connection.address}`, "warn");
    case "loading":
      return span(
        `◌ loading ${formatCount(model.jobs.size)} of ${formatCount(connection.total)}`,
        "warn",
      );
    case "attached":
      return attachedSpan(model, connection, now);
    case "reconnecting":
      return span(
        `◌ reconnecting ${seconds(now - connection.since)} try ${connection.tries}`,
        "error",
      );
    case "refused":
      return span("✗ refused", "error");
    default:
      return connection satisfies never;
  }
}

const SILENT_MILLIS = 3_000;

function attachedSpan(
  model: Model,
  connection: Extract<Model["connection"], { kind: "attached" }>,
  now: number,
) {
  const silence = now - model.heardAt;
  if (silence > SILENT_MILLIS)
    return span(`◍ ${connection.nodeId} silent ${seconds(silence)}`, "warn");
  const trip = connection.roundTripMillis;
  const millis = trip === null ? "" : `  ${Math.max(1, Math.round(trip))}ms`;
  return span(`● live via ${connection.nodeId}${millis}`, "live");
}

const seconds = (millis: number): string => `${(Math.max(0, millis) / 1000).toFixed(1)}s`;

function tabs({ model, ui, size }: Scene): Line {
  const tab = (view: string, text: string) =>
    ui.view === view || (view === "jobs" && ui.view === "job")
      ? bold(`[${text}]`)
      : span(` ${text} `);
  const filtered = ui.filterText === "" ? "" : `filter ${ui.filterText}   `;
  const counts = model.status?.counts;
  const load =
    counts === undefined
      ? ""
      : `run ${formatCount(counts.running)}  queue ${formatCount(counts.pending + counts.assigned)} `;
  return spread(
    [span(" "), tab("cluster", "1 Cluster"), tab("jobs", "2 Jobs")],
    [span(filtered, "accent"), span(`${load}`)],
    size.columns,
  );
}

function messageLine({ model, ui }: Scene): Line {
  if (ui.draft !== null)
    return [span(" /"), bold(ui.draft), span("▏", "accent"), ...filterHint(ui)];
  if (ui.message !== null) return plainLine(` ${ui.message.text}`, ui.message.tone);
  const { connection } = model;
  if (connection.kind === "reconnecting") {
    return plainLine(
      ` lost the node: ${connection.reason}. What is shown is old; trying the others`,
      "warn",
    );
  }
  if (connection.kind === "refused") return plainLine(` ${connection.message}`, "error");
  const warning = model.status?.warnings[0];
  return warning === undefined ? EMPTY_LINE : plainLine(` ! ${warning}`, "warn");
}

function filterHint(ui: UiState): Line {
  if (ui.message !== null) return [span(`   ${ui.message.text}`, ui.message.tone)];
  return [span("   state: node: name: id: or a word; ↵ keeps, esc leaves", "muted")];
}

/** The keys of this view, cut from the right when narrow; help and quit are never cut. */
function footer({ ui, size }: Scene): Line {
  if (ui.dialog !== null) return plainLine(" ←→ choose  ↵ do it  y yes  n no  esc close", "muted");
  const shown = BINDINGS.filter(({ footer: isShown, views }) => isShown && views.includes(ui.view));
  const word = ({ keys, label }: (typeof shown)[number]) => `${keyName(keys[0] ?? "")} ${label}`;
  const last = shown.filter(({ action }) => action === "help" || action === "quit").map(word);
  const first = shown.filter(({ action }) => action !== "help" && action !== "quit").map(word);
  const extra = ui.view === "job" ? ["esc back"] : [];
  const left: Line = [span(` ${[...first, ...extra].join("  ")}`, "muted")];
  return spread(left, [span(`  ${last.join("  ")} `, "muted")], size.columns);
}

function tooSmall({ columns, rows }: Size): readonly Line[] {
  const text = `nl top needs ${COLUMNS_MIN}x${ROWS_MIN}, this is ${columns}x${rows}`;
  const lines = [plainLine(text.slice(0, Math.max(0, columns)))];
  return [...lines, ...Array.from({ length: Math.max(0, rows - 1) }, () => EMPTY_LINE)];
}
