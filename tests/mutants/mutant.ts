/** One place of the source, and what stands there instead. */
export type Edit = { readonly file: string; readonly find: string; readonly replace: string };

/**
 * A deliberate bug, and what must notice it: a layer of the simulator, or the unit tests of one
 * file where the simulator has no property for it yet, or meets its conditions too seldom.
 */
export type Mutant = {
  readonly id: string;
  readonly what: string;
  readonly noticedBy: "core" | "node" | { readonly tests: string };
  readonly edits: readonly Edit[];
};

/** A file of the core, by its name. */
export const raft = (name: string): string => `engine/raft/${name}.ts`;

/** A bug of the core in one place. */
export const one = (id: string, what: string, edit: Edit): Mutant => ({
  id,
  what,
  noticedBy: "core",
  edits: [edit],
});

/** As `one`, for the unit tests of `tests`. */
export const inUnits = (tests: string, ...mutant: Parameters<typeof one>): Mutant => ({
  ...one(...mutant),
  noticedBy: { tests: raft(`${tests}.test`) },
});

/** The bug in a copy of one file's text. A place that is gone or not the only one is an error. */
export function applyEdit(source: string, { file, find, replace }: Edit): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`${places} places in ${file} match: ${find}`);
  return source.replace(find, () => replace);
}
