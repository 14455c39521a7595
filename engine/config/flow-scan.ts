import {
  addKey,
  DEPTH_MAX,
  endOfLine,
  endOfQuoted,
  faultOf,
  refuse,
  refuseOddStart,
  type ScanFault,
  TOO_DEEP,
  unquoted,
} from "./scan-text.ts";

/**
 * Null when the JSON text has no key twice and is not nested too deeply; everything else is for
 * the parser to say, which keeps the last of two equal keys in silence.
 */
export function scanJson(text: string): ScanFault | null {
  return faultOf(text, () => {
    scanFlow(text, text.search(/[{[]/), 0);
  });
}

/** One collection in brackets, from its opening one; returns the offset behind the closing one. */
export function scanFlow(text: string, start: number, depth: number): number {
  return new FlowScan(text, start).collection(depth);
}

/** What is being read within brackets; `keys` is null in a list. */
type Item = { readonly keys: Set<string> | null; name: string | null; isNamed: boolean };

class FlowScan {
  readonly #text: string;
  #position: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#position = start;
  }

  collection(depth: number): number {
    if (depth >= DEPTH_MAX) refuse(this.#position, TOO_DEEP);
    const isMapping = this.#take() === "{";
    const item: Item = { keys: isMapping ? new Set() : null, name: null, isNamed: false };
    let isOpen = true;
    while (isOpen) isOpen = this.#step(item, depth);
    return this.#position;
  }

  /** False behind the closing bracket, or at the end of the text. */
  #step(item: Item, depth: number): boolean {
    const next = this.#next();
    if (/[,}\]]/.test(next)) {
      this.#endItem(item);
      return next === ",";
    }
    if (next === "{" || next === "[") this.collection(depth + 1);
    else if (next === ":") this.#colon(item);
    else if (next !== "") this.#scalarOf(item);
    return next !== "";
  }

  #colon(item: Item): void {
    this.#nameItem(item);
    this.#take();
  }

  #scalarOf(item: Item): void {
    const scalar = this.#scalar();
    if (!item.isNamed) item.name = scalar;
  }

  /** A name without a colon is a key too: its value is nothing. */
  #endItem(item: Item): void {
    if (!item.isNamed) this.#nameItem(item);
    item.name = null;
    item.isNamed = false;
    this.#take();
  }

  #nameItem(item: Item): void {
    if (item.keys !== null && item.name !== null) addKey(item.keys, item.name, this.#position);
    item.isNamed = true;
  }

  #take(): string {
    this.#position += 1;
    return this.#text[this.#position - 1] ?? "";
  }

  /** The next character that means something; empty at the end of the text. */
  #next(): string {
    while (this.#position < this.#text.length) {
      const character = this.#text[this.#position] ?? "";
      if (character === "#" && /\s/.test(this.#text[this.#position - 1] ?? " ")) {
        this.#position = endOfLine(this.#text, this.#position);
      } else if (/\s/.test(character)) {
        this.#position += 1;
      } else {
        return character;
      }
    }
    return "";
  }

  #scalar(): string {
    const start = this.#position;
    const first = this.#text[start];
    if (first === '"' || first === "'") {
      this.#position = endOfQuoted(this.#text, start);
      return unquoted(this.#text.slice(start, this.#position));
    }
    refuseOddStart(this.#text, start);
    while (!this.#isScalarEnd()) this.#position += 1;
    return this.#text.slice(start, this.#position).trim();
  }

  #isScalarEnd(): boolean {
    const character = this.#text[this.#position] ?? "";
    if (character === "" || /[,[\]{}\r\n]/.test(character)) return true;
    if (character === "#") return /\s/.test(this.#text[this.#position - 1] ?? " ");
    return character === ":" && /[\s,[\]{}]/.test(this.#text[this.#position + 1] ?? " ");
  }
}
