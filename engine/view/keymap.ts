import type { View } from "./ui-state.ts";

/** One table makes the footer, the help and the dispatch: no two bindings meet in one view. */
export type Action =
  | "view-cluster"
  | "view-jobs"
  | "next-view"
  | "up"
  | "down"
  | "page-up"
  | "page-down"
  | "first"
  | "last"
  | "open"
  | "back"
  | "filter"
  | "drain"
  | "undrain"
  | "transfer"
  | "cancel-job"
  | "reconnect"
  | "help"
  | "quit";

export type Binding = {
  readonly action: Action;
  readonly keys: readonly string[];
  readonly views: readonly View[];
  readonly label: string;
  /** Shown in the footer, in this order. */
  readonly footer: boolean;
};

const ALL: readonly View[] = ["cluster", "jobs", "job"];

export const BINDINGS: readonly Binding[] = [
  bind("open", ["return"], ["jobs"], "open", true),
  bind("drain", ["d"], ["cluster"], "drain", true),
  bind("undrain", ["u"], ["cluster"], "undrain", true),
  bind("transfer", ["t"], ["cluster"], "transfer leader", true),
  bind("cancel-job", ["x"], ["jobs", "job"], "cancel job", true),
  bind("filter", ["/"], ["cluster", "jobs"], "filter", true),
  bind("view-cluster", ["1"], ALL, "cluster", false),
  bind("view-jobs", ["2"], ALL, "jobs", false),
  bind("next-view", ["tab"], ALL, "next view", false),
  bind("up", ["up", "k"], ALL, "up", false),
  bind("down", ["down", "j"], ALL, "down", false),
  bind("page-up", ["pageup", "ctrl-u"], ALL, "page up", false),
  bind("page-down", ["pagedown", "ctrl-d"], ALL, "page down", false),
  bind("first", ["g", "home"], ALL, "first", false),
  bind("last", ["G", "end"], ALL, "last", false),
  bind("reconnect", ["R"], ALL, "reconnect now", false),
  bind("back", ["escape"], ALL, "back", false),
  bind("help", ["?"], ALL, "help", true),
  bind("quit", ["q", "ctrl-c"], ALL, "quit", true),
];

export function actionOf(key: string, view: View): Action | null {
  const binding = BINDINGS.find(({ keys, views }) => keys.includes(key) && views.includes(view));
  return binding?.action ?? null;
}

export const keyName = (key: string): string => NAMES[key] ?? key;

const NAMES: Readonly<Record<string, string>> = {
  return: "↵",
  escape: "esc",
  up: "↑",
  down: "↓",
  pageup: "PgUp",
  pagedown: "PgDn",
};

function bind(
  action: Action,
  keys: readonly string[],
  views: readonly View[],
  ...[label, footer]: readonly [string, boolean]
): Binding {
  return { action, keys, views, label, footer };
}
