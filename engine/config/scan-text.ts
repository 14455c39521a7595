/** Steps through a text by offsets, for the two scanners that read structure and not values. */

export type ScanFault = { readonly line: number; readonly sentence: string };

export const DEPTH_MAX = 32;
export const TOO_DEEP = `is nested deeper than ${DEPTH_MAX} levels`;

/** Never leaves `faultOf`. */
class Refusal extends Error {
  readonly offset: number;

  constructor(offset: number, sentence: string) {
    super(sentence);
    this.offset = offset;
  }
}

export function refuse(offset: number, sentence: string): never {
  throw new Refusal(offset, sentence);
}

/** What made `scan` refuse the text; null when nothing did. */
export function faultOf(text: string, scan: () => void): ScanFault | null {
  try {
    scan();
    return null;
  } catch (fault) {
    if (!(fault instanceof Refusal)) throw fault;
    return { line: text.slice(0, fault.offset).split("\n").length, sentence: fault.message };
  }
}

export function addKey(keys: Set<string>, name: string, offset: number): void {
  if (keys.has(name)) refuse(offset, `has the key ${JSON.stringify(name)} twice`);
  keys.add(name);
}

/** Anchors, aliases and tags: a value must be what it looks like. */
export function refuseOddStart(text: string, offset: number): void {
  const character = text[offset] ?? "";
  if (character === "&" || character === "*") {
    refuse(offset, `starts a value with ${character} (anchors and aliases are not read): quote it`);
  }
  if (character === "!") refuse(offset, "has a tag (!): quote it, or leave it out");
  if (character === "?" && /\s/.test(text[offset + 1] ?? " ")) {
    refuse(offset, "has a complex key (? …)");
  }
}

/** The offset behind the closing quote; quotes may span lines. */
export function endOfQuoted(text: string, start: number): number {
  const quote = text[start];
  let position = start + 1;
  while (position < text.length) {
    if (quote === '"' && text[position] === "\\") position += 2;
    else if (text[position] !== quote) position += 1;
    else if (quote === "'" && text[position + 1] === "'") position += 2;
    else return position + 1;
  }
  return refuse(start, "has a quote that does not end");
}

/** Both spellings of a key are one key. */
export function unquoted(quoted: string): string {
  if (quoted.startsWith("'")) return quoted.slice(1, -1).replaceAll("''", "'");
  try {
    const value: unknown = JSON.parse(quoted);
    return typeof value === "string" ? value : quoted;
  } catch (_yamlOnlyEscape) {
    return quoted.slice(1, -1);
  }
}

export function skipBlanks(text: string, start: number): number {
  let position = start;
  while (text[position] === " " || text[position] === "\t") position += 1;
  return position;
}

export function endOfLine(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end === -1 ? text.length : end;
}
