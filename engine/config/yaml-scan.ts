import { scanFlow } from "./flow-scan.ts";
import {
  addKey,
  DEPTH_MAX,
  endOfLine,
  endOfQuoted,
  faultOf,
  refuse,
  refuseOddStart,
  type ScanFault,
  skipBlanks,
  TOO_DEEP,
  unquoted,
} from "./scan-text.ts";

/**
 * Null when the YAML text is one plain document: no key twice, no anchors, aliases or tags, not
 * nested too deeply. The runtime's parser takes all of these in silence; values are its concern.
 */
export function scanYaml(text: string): ScanFault | null {
  return faultOf(text, () => new YamlScan(text).run());
}

/** A mapping that is open: where its keys stand, and which it has. */
type OpenMapping = { readonly column: number; readonly keys: Set<string> };

const NO_PLAIN_SCALAR = Number.POSITIVE_INFINITY;

/** Block style, line by line; what is inside quotes, brackets and block scalars is stepped over. */
class YamlScan {
  readonly #text: string;
  readonly #open: OpenMapping[] = [];
  #position = 0;
  #lineStart = 0;
  #hasContent = false;
  /** Deeper lines than this continue the plain scalar of the line before. */
  #plainParent = NO_PLAIN_SCALAR;

  constructor(text: string) {
    this.#text = text;
  }

  run(): void {
    while (this.#position < this.#text.length) {
      this.#lineStart = this.#position;
      this.#position = skipBlanks(this.#text, this.#position);
      if (!this.#isAtLineEnd() && !this.#isMarker() && !this.#continuesPlain()) this.#content();
      this.#position = endOfLine(this.#text, this.#position) + 1;
    }
  }

  #isMarker(): boolean {
    const line = this.#text.slice(this.#lineStart, endOfLine(this.#text, this.#lineStart));
    if (!/^(?:---(?:\s|$)|\.\.\.(?:\s|$)|%)/.test(line)) return false;
    if (this.#hasContent || !/^---\s*(?:#.*)?$/.test(line)) {
      refuse(this.#lineStart, "begins another document, or a directive: write one job per file");
    }
    this.#hasContent = true;
    return true;
  }

  #continuesPlain(): boolean {
    return this.#column() > this.#plainParent;
  }

  #content(): void {
    this.#hasContent = true;
    this.#plainParent = NO_PLAIN_SCALAR;
    const dash = this.#sequenceDashes();
    if (this.#isAtLineEnd()) return;
    refuseOddStart(this.#text, this.#position);
    const key = readKey(this.#text, this.#position);
    if (key === null) {
      this.#value(dash ?? this.#parentOf(this.#column()));
      return;
    }
    const column = this.#column();
    this.#addKey(column, key.name);
    this.#position = skipBlanks(this.#text, key.end);
    if (this.#isAtLineEnd()) return;
    refuseOddStart(this.#text, this.#position);
    this.#value(column);
  }

  /** The column of the last `- ` on this line. What was deeper belonged to the item before. */
  #sequenceDashes(): number | null {
    let column: number | null = null;
    let count = 0;
    while (/^-(?:\s|$)/.test(this.#text.slice(this.#position, this.#position + 2))) {
      column = this.#column();
      this.#closeDeeperThan(column);
      this.#position = skipBlanks(this.#text, this.#position + 1);
      count += 1;
      if (count > DEPTH_MAX) refuse(this.#position, TOO_DEEP);
    }
    return column;
  }

  #addKey(column: number, name: string): void {
    this.#closeDeeperThan(column);
    const top = this.#open.at(-1);
    if (top?.column === column) {
      addKey(top.keys, name, this.#position);
      return;
    }
    this.#open.push({ column, keys: new Set([name]) });
    if (this.#open.length > DEPTH_MAX) refuse(this.#position, TOO_DEEP);
  }

  #value(parent: number): void {
    const character = this.#text[this.#position] ?? "";
    if (character === "|" || character === ">") {
      this.#stepOverBlock(parent);
    } else if (character === "{" || character === "[") {
      this.#position = scanFlow(this.#text, this.#position, this.#open.length);
    } else if (character === '"' || character === "'") {
      this.#position = endOfQuoted(this.#text, this.#position);
    } else {
      this.#plainParent = parent;
    }
  }

  /** A block scalar lasts while lines are blank or stand deeper than its parent. */
  #stepOverBlock(parent: number): void {
    let lastLine = this.#position;
    let start = endOfLine(this.#text, lastLine) + 1;
    while (start < this.#text.length) {
      const content = skipBlanks(this.#text, start);
      const isBlank = /^\r?(?:\n|$)/.test(this.#text.slice(content, content + 2));
      if (!isBlank && content - start <= parent) break;
      lastLine = start;
      start = endOfLine(this.#text, start) + 1;
    }
    this.#position = lastLine;
  }

  #closeDeeperThan(column: number): void {
    while ((this.#open.at(-1)?.column ?? -1) > column) this.#open.pop();
  }

  #parentOf(column: number): number {
    return this.#open.findLast((mapping) => mapping.column < column)?.column ?? -1;
  }

  #column(): number {
    return this.#position - this.#lineStart;
  }

  #isAtLineEnd(): boolean {
    return /^(?:$|[\r\n#])/.test(this.#text.slice(this.#position, this.#position + 1));
  }
}

type Key = { readonly name: string; readonly end: number };

/** `name:` followed by a space or the line's end; null when no key starts here. */
function readKey(text: string, start: number): Key | null {
  const first = text[start] ?? "";
  if (first === '"' || first === "'") return readQuotedKey(text, start);
  if (/[{[|>]/.test(first)) return null;
  const line = text.slice(start, endOfLine(text, start));
  const colon = line.search(/:(?:\s|$)/);
  const comment = line.search(/\s#/);
  if (colon === -1 || (comment !== -1 && comment < colon)) return null;
  return { name: line.slice(0, colon).trim(), end: start + colon + 1 };
}

function readQuotedKey(text: string, start: number): Key | null {
  const end = endOfQuoted(text, start);
  const colon = skipBlanks(text, end);
  if (text[colon] !== ":" || !/\s/.test(text[colon + 1] ?? " ")) return null;
  return { name: unquoted(text.slice(start, end)), end: colon + 1 };
}
