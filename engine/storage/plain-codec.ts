import { assert, unreachable } from "../lib/assert.ts";

/**
 * Plain data as bytes and back: null, booleans, numbers, strings, byte arrays, arrays, maps, and
 * objects without the fields that are undefined. Fields are written in the order of their names, so
 * equal values give equal bytes. Short strings are written once and referred to afterwards; a
 * reader must read everything that its writer wrote, from the beginning.
 */

const TAGS = [
  ...(["null", "false", "true", "count", "number", "text", "known", "bytes"] as const),
  ...(["array", "object", "map"] as const),
] as const;
type Tag = (typeof TAGS)[number];

const KNOWN_MAX = 1_024;
const KNOWN_LENGTH_MAX = 24;
const FIRST_BYTES = 4_096;
const VARINT_BITS = 128;

export class PlainWriter {
  readonly #known = new Map<string, number>();
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** The bytes of one value. They are the caller's. */
  write(value: unknown): Uint8Array {
    this.#length = 0;
    this.#value(value);
    return this.#bytes.slice(0, this.#length);
  }

  #value(value: unknown): void {
    if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "boolean") this.#tag(value ? "true" : "false");
    else if (value === null) this.#tag("null");
    else if (value instanceof Uint8Array) this.#bytesOf("bytes", value);
    else if (Array.isArray(value)) this.#list("array", value);
    else if (value instanceof Map) this.#list("map", [...value].flat());
    else if (typeof value === "object") this.#object(value);
    else assert(false, `only plain data can be written, not a ${typeof value}`);
  }

  #number(value: number): void {
    const isCount = Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
    this.#tag(isCount ? "count" : "number");
    if (isCount) this.#varint(value);
    else this.#raw(new Uint8Array(new Float64Array([value]).buffer));
  }

  #text(text: string): void {
    const place = this.#known.get(text);
    if (place !== undefined) {
      this.#tag("known");
      this.#varint(place);
      return;
    }
    if (isKept(text, this.#known.size)) this.#known.set(text, this.#known.size);
    this.#bytesOf("text", new TextEncoder().encode(text));
  }

  #list(tag: "array" | "map", items: readonly unknown[]): void {
    this.#tag(tag);
    this.#varint(items.length);
    for (const item of items) this.#value(item);
  }

  #object(value: object): void {
    const fields = Object.entries(value).filter(([, held]) => held !== undefined);
    fields.sort(([left], [right]) => (left < right ? -1 : 1));
    this.#tag("object");
    this.#varint(fields.length);
    for (const [name, held] of fields) {
      this.#text(name);
      this.#value(held);
    }
  }

  #bytesOf(tag: Tag, bytes: Uint8Array): void {
    this.#tag(tag);
    this.#varint(bytes.length);
    this.#raw(bytes);
  }

  #tag(tag: Tag): void {
    this.#byte(TAGS.indexOf(tag));
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= VARINT_BITS; rest = Math.floor(rest / VARINT_BITS)) {
      this.#byte((rest % VARINT_BITS) + VARINT_BITS);
    }
    this.#byte(rest);
  }

  #byte(byte: number): void {
    this.#makeRoom(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #raw(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Throws `RangeError` on bytes that no writer wrote: check them before. */
export class PlainReader {
  readonly #known: string[] = [];
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  read(bytes: Uint8Array): unknown {
    this.#bytes = bytes;
    this.#at = 0;
    return this.#value();
  }

  #value(): unknown {
    const tag = TAGS[this.#byte()];
    switch (tag) {
      case "null":
        return null;
      case "false":
      case "true":
        return tag === "true";
      case "count":
        return this.#varint();
      case "number":
        return new Float64Array(this.#raw(8).buffer)[0];
      case "text":
      case "known":
        return this.#text(tag);
      case "bytes":
        return this.#raw(this.#varint());
      case "array":
        return this.#items(this.#varint());
      case "map":
        return new Map(pairsOf(this.#items(this.#varint())));
      case "object":
        return this.#object(this.#varint());
      case undefined:
        throw new RangeError("unknown tag");
      default:
        return unreachable(tag);
    }
  }

  #items(count: number): readonly unknown[] {
    return Array.from({ length: count }, () => this.#value());
  }

  #object(count: number): object {
    const fields = Array.from({ length: count }, () => {
      const tag = TAGS[this.#byte()];
      if (tag !== "text" && tag !== "known") throw new RangeError("a field without a name");
      return [this.#text(tag), this.#value()] as const;
    });
    return Object.fromEntries(fields);
  }

  #text(tag: "text" | "known"): string {
    if (tag === "known") {
      const known = this.#known[this.#varint()];
      if (known === undefined) throw new RangeError("unknown text");
      return known;
    }
    const text = new TextDecoder().decode(this.#raw(this.#varint()));
    if (isKept(text, this.#known.length)) this.#known.push(text);
    return text;
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= VARINT_BITS) {
      const byte = this.#byte();
      value += (byte % VARINT_BITS) * scale;
      if (byte < VARINT_BITS) return value;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError("ends too early");
    this.#at += 1;
    return byte;
  }

  #raw(length: number): Uint8Array<ArrayBuffer> {
    if (this.#at + length > this.#bytes.length) throw new RangeError("ends too early");
    this.#at += length;
    return new Uint8Array(this.#bytes.slice(this.#at - length, this.#at));
  }
}

const isKept = (text: string, count: number): boolean =>
  text.length <= KNOWN_LENGTH_MAX && count < KNOWN_MAX;

function pairsOf(items: readonly unknown[]): [unknown, unknown][] {
  return Array.from({ length: items.length / 2 }, (_, at) => [items[2 * at], items[2 * at + 1]]);
}
