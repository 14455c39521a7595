import type { Block, EntryText, HardStateText, RaftStateText, SoftState } from "../scenario.ts";

/** Shorthand in which our own scenarios say what etcd would print. */

export const noop = (term: number, index: number): EntryText => [term, index, "EntryNormal", '""'];

export const data = (term: number, index: number, text: string): EntryText => [
  term,
  index,
  "EntryNormal",
  `"${text}"`,
];

export const v1 = (term: number, index: number, text: string): EntryText => [
  term,
  index,
  "EntryConfChange",
  text,
];

export const v2 = (term: number, index: number, text: string): EntryText => [
  term,
  index,
  "EntryConfChangeV2",
  text,
];

export const hard = (term: number, vote: number, commit: number): HardStateText => ({
  term,
  vote,
  commit,
});

export const leads = (lead: number): SoftState => ({ lead, role: "StateLeader" });
export const follows = (lead: number): SoftState => ({ lead, role: "StateFollower" });
export const asks: SoftState = { lead: 0, role: "StatePreCandidate" };
export const stands: SoftState = { lead: 0, role: "StateCandidate" };

/** One line of `raft-state`. */
export const state = (soft: SoftState, term: number, voter = true): RaftStateText => ({
  ...soft,
  voter,
  term,
});

export const replicating = (match: number) => ({ state: "StateReplicate", match });
export const probed = (match: number) => ({ state: "StateProbe", match });
export const awaitingSnapshot = (match: number) => ({ state: "StateSnapshot", match });

/** `count` voters from index 10; node 1 leads term 1 with its first entry, 11, applied everywhere. */
export const elected = (count: number, options = ""): readonly Block[] => {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const all = <Value>(value: (id: number) => Value) =>
    Object.fromEntries(ids.map((id) => [String(id), value(id)]));
  return [
    { cmd: `add-nodes ${count} voters=(${ids.join(",")}) index=10 ${options}`.trimEnd() },
    { cmd: "campaign 1" },
    {
      cmd: "stabilize",
      soft: all((id) => (id === 1 ? leads(1) : follows(1))),
      hs: all(() => hard(1, 1, 11)),
      entries: all(() => [noop(1, 11)]),
      committed: all(() => [noop(1, 11)]),
    },
  ];
};
