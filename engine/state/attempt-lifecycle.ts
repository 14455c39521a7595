import type { Attempt, AttemptState } from "./cluster-state.ts";

/**
 * From where to where an attempt may go. Every step happens at most once, so a repeated, late or
 * reordered report finds no arrow and changes nothing (SEMANTICS S4).
 * `lost` is left only by the result of a node that came back (`isLateResult`).
 */
const NEXT: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  assigned: ["starting", "running", "exited", "declined", "lost"],
  starting: ["running", "exited", "lost"],
  running: ["exited", "lost"],
  exited: [],
  declined: [],
  lost: [],
};

export const mayBecome = (from: AttemptState, to: AttemptState): boolean => NEXT[from].includes(to);

/** Over: holds nothing on its node any more. */
export const isOver = (attempt: Attempt): boolean => NEXT[attempt.state].length === 0;
