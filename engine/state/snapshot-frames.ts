import { crc32c } from "../lib/crc32c.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { ByteWriter } from "./snapshot-bytes.ts";

/**
 * The outer format of a snapshot, the founding one included:
 *
 *     "nl-state" format:u32   then frames   length:u32 kind:u8 payload crc32c:u32
 *
 * Little-endian. `length` is that of the payload; the checksum covers everything before it.
 * What a kind means is a section: see README, Snapshots.
 */
const MAGIC = "nl-state";
const FORMAT = 1;
const PREFIX_BYTES = MAGIC.length + 4;

const HEAD_BYTES = 5;
const CRC_BYTES = 4;
/** A frame ends with the record that makes it this long; no record is longer than an entry. */
export const FRAME_BYTES = 64 * 1024;
const PAYLOAD_BYTES_MAX = 4 * 1024 * 1024;

/** The sections, in the order in which they are written; several frames may make one. */
export const SECTIONS = { head: 1, nodes: 2, members: 4, jobs: 3, end: 255 } as const;

export type SectionKind = (typeof SECTIONS)[keyof typeof SECTIONS];

export type Frame = { readonly kind: number; readonly payload: Uint8Array };

/** The bytes before the first frame. */
export function snapshotPrefix(): Uint8Array {
  const writer = new ByteWriter();
  for (const letter of MAGIC) writer.byte(letter.charCodeAt(0));
  writer.fixed32(FORMAT);
  return writer.take();
}

/** Opens a frame: its payload is what is written until `closeFrame`. */
export function openFrame(writer: ByteWriter, kind: SectionKind): void {
  writer.fixed32(0);
  writer.byte(kind);
}

/** The whole frame; the writer is empty afterwards. */
export function closeFrame(writer: ByteWriter): Uint8Array {
  writer.patchFixed32(0, writer.length - HEAD_BYTES);
  writer.fixed32(crc32c(0, writer.written()));
  return writer.take();
}

/** Cuts the bytes of a snapshot, as they arrive, into checked frames. An error is one sentence. */
export class FrameCutter {
  #rest = new Uint8Array(0);
  #at = 0;
  #hasPrefix = false;

  /** Of everything fed, what no frame has taken yet. */
  get restBytes(): number {
    return this.#rest.length - this.#at;
  }

  feed(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.restBytes + bytes.length);
    joined.set(this.#rest.subarray(this.#at));
    joined.set(bytes, this.restBytes);
    this.#rest = joined;
    this.#at = 0;
  }

  /** Null: more bytes are needed. The payload is good until the next `feed`. */
  next(): Result<Frame | null, string> {
    if (!this.#hasPrefix) {
      const refusal = this.#takePrefix();
      if (refusal !== null) return err(refusal);
      if (!this.#hasPrefix) return ok(null);
    }
    if (this.restBytes < HEAD_BYTES) return ok(null);
    const length = this.#fixed32(this.#at);
    if (length > PAYLOAD_BYTES_MAX) return err(damaged(`a frame of ${length} bytes`));
    const end = this.#at + HEAD_BYTES + length;
    if (end + CRC_BYTES > this.#rest.length) return ok(null);
    if (crc32c(0, this.#rest.subarray(this.#at, end)) !== this.#fixed32(end)) {
      return err(damaged("a frame whose checksum differs"));
    }
    const kind = this.#rest[this.#at + HEAD_BYTES - 1] ?? 0;
    const payload = this.#rest.subarray(this.#at + HEAD_BYTES, end);
    this.#at = end + CRC_BYTES;
    return ok({ kind, payload });
  }

  #takePrefix(): string | null {
    if (this.restBytes < PREFIX_BYTES) return null;
    const magic = String.fromCharCode(...this.#rest.subarray(0, MAGIC.length));
    if (magic !== MAGIC) return "this is not a snapshot of an nl cluster";
    const format = this.#fixed32(MAGIC.length);
    if (format !== FORMAT) {
      return `the snapshot has format ${format}, this nl reads ${FORMAT}: upgrade this node`;
    }
    this.#at = PREFIX_BYTES;
    this.#hasPrefix = true;
    return null;
  }

  #fixed32(at: number): number {
    const bytes = this.#rest;
    const high = ((bytes[at + 3] ?? 0) << 24) | ((bytes[at + 2] ?? 0) << 16);
    return (high | ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0)) >>> 0;
  }
}

export const damaged = (what: string): string => `the snapshot is damaged: it has ${what}`;
