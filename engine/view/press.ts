import { EVERYTHING, parseFilter } from "./filter.ts";
import { jobRows, nameOf } from "./job-rows.ts";
import { type Action, actionOf } from "./keymap.ts";
import type { Model } from "./model.ts";
import { peerRows } from "./peer-rows.ts";
import type { Dialog, Effect, UiState } from "./ui-state.ts";

export type Pressed = { readonly ui: UiState; readonly effects: readonly Effect[] };

const PAGE = 10;

/** What a key does: the whole behaviour of the screen, without a terminal. */
export function press(ui: UiState, key: string, model: Model): Pressed {
  if (key === "ctrl-c") return { ui, effects: [{ kind: "quit" }] };
  if (ui.dialog !== null) return pressInDialog(ui, ui.dialog, key);
  if (ui.draft !== null) return only(pressInFilter(ui, ui.draft, key));
  if (ui.help) return only({ ...ui, help: false });
  const action = actionOf(key, ui.view);
  return action === null ? only(ui) : perform({ ...ui, message: null }, action, model);
}

/** Text that was pasted never runs keys: it goes into the filter, or nowhere. */
export function paste(ui: UiState, text: string): UiState {
  if (ui.draft === null) return ui;
  return { ...ui, draft: ui.draft + text.replace(/\s+/g, " ") };
}

function perform(ui: UiState, action: Action, model: Model): Pressed {
  switch (action) {
    case "view-cluster":
      return only({ ...ui, view: "cluster" });
    case "view-jobs":
      return only({ ...ui, view: "jobs" });
    case "next-view":
      return only({ ...ui, view: ui.view === "cluster" ? "jobs" : "cluster" });
    case "open":
      return only(open(ui, model));
    case "back":
      return only(back(ui));
    case "filter":
      return only({ ...ui, view: "jobs", draft: ui.filterText });
    case "help":
      return only({ ...ui, help: true });
    case "reconnect":
      return { ui, effects: [{ kind: "reconnect" }] };
    case "quit":
      return ui.view === "job" ? only(back(ui)) : { ui, effects: [{ kind: "quit" }] };
    case "drain":
    case "undrain":
    case "transfer":
    case "cancel-job":
      return act(ui, action, model);
    default:
      return only(move(ui, action, model));
  }
}

function move(ui: UiState, action: Action, model: Model): UiState {
  if (ui.view === "job") return { ...ui, logScroll: scrolled(ui, action) };
  const ids =
    ui.view === "cluster"
      ? peerRows(model).map(({ id }) => id)
      : jobRows(model.jobs, ui.filter).map(({ id }) => id);
  const at = ids.indexOf(ui.view === "cluster" ? ui.nodeId : ui.jobId);
  const to =
    ids[Math.max(0, Math.min(ids.length - 1, target(Math.max(0, at), action, ids.length)))];
  if (to === undefined) return ui;
  return ui.view === "cluster" ? { ...ui, nodeId: to } : { ...ui, jobId: to };
}

function target(at: number, action: Action, length: number): number {
  switch (action) {
    case "up":
      return at - 1;
    case "down":
      return at + 1;
    case "page-up":
      return at - PAGE;
    case "page-down":
      return at + PAGE;
    case "first":
      return 0;
    case "last":
      return length - 1;
    default:
      return at;
  }
}

function scrolled(ui: UiState, action: Action): number {
  const length = ui.log?.lines.length ?? 0;
  const at = length - ui.logScroll;
  return Math.max(0, Math.min(length, length - target(at, action, length + 1)));
}

function open(ui: UiState, model: Model): UiState {
  const jobId = selectedJob(ui, model);
  return jobId === null ? ui : { ...ui, view: "job", jobId, logScroll: 0 };
}

/** Closes the top thing: view, filter, message. Never quits. */
function back(ui: UiState): UiState {
  if (ui.view === "job") return { ...ui, view: "jobs", logScroll: 0 };
  return { ...ui, filter: EVERYTHING, filterText: "" };
}

export function selectedJob(ui: UiState, model: Model): string | null {
  if (ui.view === "job") return ui.jobId;
  const rows = jobRows(model.jobs, ui.filter);
  const chosen = rows.find(({ id }) => id === ui.jobId) ?? rows[0];
  return chosen?.id ?? null;
}

export function selectedNode(ui: UiState, model: Model): string | null {
  const rows = peerRows(model);
  const chosen = rows.find(({ id }) => id === ui.nodeId) ?? rows[0];
  return chosen?.id ?? null;
}

function act(ui: UiState, action: Action, model: Model): Pressed {
  if (model.connection.kind !== "attached") {
    return only({ ...ui, message: { text: "not connected: actions wait", tone: "warn" } });
  }
  if (action === "cancel-job") return only(askCancel(ui, model));
  const nodeId = selectedNode(ui, model);
  if (nodeId === null) return only(ui);
  if (action === "undrain") return { ui, effects: [{ kind: "undrain", nodeId }] };
  return only({
    ...ui,
    dialog: action === "drain" ? drainDialog(nodeId, model) : transferDialog(nodeId, model),
  });
}

function askCancel(ui: UiState, model: Model): UiState {
  const jobId = selectedJob(ui, model);
  const job = jobId === null ? undefined : model.jobs.get(jobId);
  if (jobId === null || job === undefined) return ui;
  if (job.finishedAt > 0) {
    return { ...ui, message: { text: `${jobId} is already ${job.state}`, tone: "warn" } };
  }
  const where = job.nodeId === "" ? "" : ` on ${job.nodeId}`;
  return {
    ...ui,
    dialog: ask(`Cancel ${jobId}?`, `nl cancel ${jobId}`, { kind: "cancel", jobId }, [
      nameOf(job),
      `${job.state}${where}; it gets TERM, its grace, then KILL`,
    ]),
  };
}

function drainDialog(nodeId: string, model: Model): Dialog {
  const node = model.nodes.get(nodeId);
  const live = node === undefined ? 0 : node.running + node.assigned;
  const leads = model.status?.leaderId === nodeId;
  return ask(`Drain ${nodeId}?`, `nl drain ${nodeId}`, { kind: "drain", nodeId }, [
    `${live} live jobs may finish within 1 h, then move`,
    "it gets no new work until nl undrain",
    ...(leads ? ["it leads: leadership moves first"] : []),
  ]);
}

function transferDialog(nodeId: string, model: Model): Dialog {
  const leader = model.status?.leaderId ?? "";
  const isLeader = leader === nodeId;
  return ask(
    isLeader ? `Move leadership away from ${leader}?` : `Make ${nodeId} the leader?`,
    isLeader ? "nl transfer-leader" : `nl transfer-leader --to ${nodeId}`,
    { kind: "transfer", nodeId: isLeader ? "" : nodeId },
    [
      `${leader === "" ? "nobody" : leader} leads now, term ${model.status?.term ?? 0}`,
      "writes wait for some milliseconds; none is lost",
    ],
  );
}

function ask(title: string, cli: string, effect: Effect, facts: readonly string[]): Dialog {
  return { title, facts, cli, effect, focus: "cancel" };
}

function pressInDialog(ui: UiState, dialog: Dialog, key: string): Pressed {
  const closed = { ...ui, dialog: null };
  switch (key) {
    case "escape":
    case "n":
    case "q":
      return only(closed);
    case "y":
      return { ui: closed, effects: [dialog.effect] };
    case "return":
      return { ui: closed, effects: dialog.focus === "confirm" ? [dialog.effect] : [] };
    case "tab":
    case "left":
    case "right":
      return only({
        ...ui,
        dialog: { ...dialog, focus: dialog.focus === "cancel" ? "confirm" : "cancel" },
      });
    default:
      return only(ui);
  }
}

function pressInFilter(ui: UiState, draft: string, key: string): UiState {
  if (key === "escape") return { ...ui, draft: null };
  if (key === "backspace") return { ...ui, draft: [...draft].slice(0, -1).join("") };
  if (key === "ctrl-u") return { ...ui, draft: "" };
  if (key === "return") return applyFilter(ui, draft);
  return [...key].length === 1 ? { ...ui, draft: draft + key } : ui;
}

function applyFilter(ui: UiState, draft: string): UiState {
  const parsed = parseFilter(draft);
  if (!parsed.ok) return { ...ui, message: { text: parsed.error, tone: "error" } };
  return { ...ui, draft: null, filter: parsed.value, filterText: draft.trim(), message: null };
}

const only = (ui: UiState): Pressed => ({ ui, effects: [] });
