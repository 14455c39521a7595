import type { Job } from "../client/client.ts";
import { EVERYTHING, type JobFilter } from "./filter.ts";

export type View = "cluster" | "jobs" | "job";

/** What must be confirmed: facts first, the command line form last (danger level: moderate). */
export type Dialog = {
  readonly title: string;
  readonly facts: readonly string[];
  readonly cli: string;
  readonly effect: Effect;
  /** Focus stands on Cancel until it is moved. */
  readonly focus: "cancel" | "confirm";
};

/** What the painter's host must do in the world; the outcome comes back as a message. */
export type Effect =
  | { readonly kind: "drain"; readonly nodeId: string }
  | { readonly kind: "undrain"; readonly nodeId: string }
  | { readonly kind: "transfer"; readonly nodeId: string }
  | { readonly kind: "cancel"; readonly jobId: string }
  | { readonly kind: "reconnect" }
  | { readonly kind: "quit" };

export type Message = { readonly text: string; readonly tone: "plain" | "ok" | "warn" | "error" };

/** Output of the job on screen, as lines. `offset` resumes the stream on another node. */
export type LogState = {
  readonly jobId: string;
  readonly lines: readonly string[];
  readonly partial: string;
  readonly dropped: number;
  readonly state: "reading" | "ended" | "failed";
  readonly note: string;
};

/** What the person at the screen has chosen: independent of what the cluster does. */
export type UiState = {
  readonly view: View;
  readonly nodeId: string;
  /** Selection follows the job's id, not its row: rows may move under the cursor. */
  readonly jobId: string;
  readonly filter: JobFilter;
  readonly filterText: string;
  /** Not null while a filter is typed. */
  readonly draft: string | null;
  readonly dialog: Dialog | null;
  readonly message: Message | null;
  readonly help: boolean;
  /** Lines scrolled up from the end of the log; 0 = following. */
  readonly logScroll: number;
  readonly log: LogState | null;
  /** The job on screen with its attempts, which rows of the list do not carry; null = not read yet. */
  readonly detail: Job | null;
};

export const INITIAL_UI: UiState = {
  view: "cluster",
  nodeId: "",
  jobId: "",
  filter: EVERYTHING,
  filterText: "",
  draft: null,
  dialog: null,
  message: null,
  help: false,
  logScroll: 0,
  log: null,
  detail: null,
};
