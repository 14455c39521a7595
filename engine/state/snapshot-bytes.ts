import { assert } from "../lib/assert.ts";

/** Distinct words that are written once and named by number afterwards, in the whole snapshot. */
const WORDS_MAX = 4_096;
const CAPACITY_FIRST = 64 * 1024;
const VARINT_BYTES_MAX = 8;
const ASCII_MAX = 0x7f;
/** Up to here numbers are shifted, which is much faster than dividing them. */
const INT32_MAX = 0x7fff_ffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes the fields of records, one after another. Grows, and is emptied by `take`. */
export class ByteWriter {
  #bytes = new Uint8Array(CAPACITY_FIRST);
  #length = 0;
  readonly #words = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#put(value);
  }

  /** A safe integer that is not negative. */
  number(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a snapshot holds whole numbers");
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    for (; rest > INT32_MAX; rest = Math.floor(rest / 0x80)) this.#put((rest % 0x80) | 0x80);
    for (; rest > 0x7f; rest >>>= 7) this.#put((rest & 0x7f) | 0x80);
    this.#put(rest);
  }

  optional(value: number | null): void {
    this.number(value === null ? 0 : value + 1);
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  fixed32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.byte((value >>> shift) & 0xff);
  }

  text(text: string): void {
    if (this.#ascii(text)) return;
    const bytes = encoder.encode(text);
    this.number(bytes.length);
    this.#append(bytes);
  }

  /** For text that comes again and again: names, principals. */
  word(word: string): void {
    const known = this.#words.get(word);
    if (known !== undefined) {
      this.number(known);
      return;
    }
    if (this.#words.size < WORDS_MAX) this.#words.set(word, this.#words.size + 1);
    this.number(0);
    this.text(word);
  }

  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.#append(bytes);
  }

  /** What was written since the last `take`, as one array of its own. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Replaces four bytes that were written before. */
  patchFixed32(at: number, value: number): void {
    assert(at + 4 <= this.#length, "only what was written is replaced");
    for (let i = 0; i < 4; i++) this.#bytes[at + i] = (value >>> (8 * i)) & 0xff;
  }

  /** What was written since the last `take`, to look at. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** There is room. */
  #put(byte: number): void {
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** Most text is short and ASCII: then its length is known and no array is made. */
  #ascii(text: string): boolean {
    const start = this.#length;
    this.number(text.length);
    this.#reserve(text.length);
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > ASCII_MAX) {
        this.#length = start;
        return false;
      }
      this.#bytes[at] = code;
      at += 1;
    }
    this.#length = at;
    return true;
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/**
 * Reads what a `ByteWriter` wrote, frame after frame. What cannot be read makes it `broken`, and
 * then everything is zero or empty: to be looked at once after each record.
 */
export class ByteReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #isBroken = false;
  readonly #words: string[] = [];

  /** The next stretch of bytes; the words of those before stay known. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Something was read that cannot be there. */
  refuse(): void {
    this.#isBroken = true;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    this.#at += 1;
    if (value !== undefined) return value;
    this.#isBroken = true;
    return 0;
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    if (Number.isSafeInteger(value)) return value;
    this.#isBroken = true;
    return 0;
  }

  optional(): number | null {
    const value = this.number();
    return value === 0 ? null : value - 1;
  }

  flag(): boolean {
    return this.byte() === 1;
  }

  text(): string {
    const bytes = this.bytes();
    if (bytes.length === 0) return "";
    try {
      return decoder.decode(bytes);
    } catch (_malformed) {
      this.#isBroken = true;
      return "";
    }
  }

  word(): string {
    const known = this.number();
    if (known > 0) return this.#words[known - 1] ?? this.#unknownWord();
    const word = this.text();
    if (this.#words.length < WORDS_MAX) this.#words.push(word);
    return word;
  }

  /** A view, good until the next `open`. */
  bytes(): Uint8Array {
    const length = this.number();
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      this.#isBroken = true;
      return new Uint8Array(0);
    }
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  #unknownWord(): string {
    this.#isBroken = true;
    return "";
  }
}
