/** A position in the order of all changes: `index.ordinal`, the same on every node (S13). */
export type Revision = { readonly index: number; readonly ordinal: number };

/** After every change of its entry. */
const ORDINAL_END = 999_999_999;

export const endOf = (index: number): Revision => ({ index, ordinal: ORDINAL_END });

export const isAfter = (a: Revision, b: Revision): boolean =>
  a.index > b.index || (a.index === b.index && a.ordinal > b.ordinal);

export const formatRevision = (revision: Revision): string =>
  `${revision.index}.${revision.ordinal}`;

/** Null when the text is no revision. */
export function parseRevision(text: string): Revision | null {
  const [, index, ordinal] = /^(\d{1,16})\.(\d{1,9})$/.exec(text) ?? [];
  if (index === undefined || ordinal === undefined) return null;
  return { index: Number(index), ordinal: Number(ordinal) };
}
