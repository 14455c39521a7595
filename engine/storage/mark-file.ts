import { closeSync, fdatasyncSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { assert } from "../lib/assert.ts";
import { crc32c } from "../lib/crc32c.ts";
import type { NodeId, PeerId, Term } from "../lib/ids.ts";
import type { Position } from "./chain.ts";

/** Who a data directory belongs to. `storeId` is random and made with the directory. */
export type Identity = {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly storeId: string;
};

/**
 * What this node has promised, kept outside the log's own file (DESIGN, Log store): a log that does
 * not contain `last`, or knows less of a vote, lost something that was durable.
 */
export type Mark = {
  /** Grows with every write; the valid slot with the highest one counts. */
  readonly sequence: number;
  readonly identity: Identity;
  readonly term: Term;
  readonly votedFor: PeerId;
  readonly last: Position;
  /** The term in which this log was found damaged; null = it is whole. */
  readonly damagedTerm: Term | null;
};

const SLOT_COUNT = 2;
/** One sector, so that a slot is written as a whole or not at all on most disks. */
const SLOT_BYTES = 512;
/** One page apart, so that a torn page takes one slot with it, not both. */
const SLOT_STRIDE = 4096;
const CRC_DIGITS = 8;

/** The file `mark`: two alternating slots of text, so that `cat` shows them. */
export class MarkFile {
  readonly #fd: number;
  #current: Mark | null;

  constructor(path: string) {
    this.#fd = openSync(path, "r+");
    this.#current = newest([readSlot(this.#fd, 0), readSlot(this.#fd, 1)]);
  }

  /** Null when no slot is valid. */
  get current(): Mark | null {
    return this.#current;
  }

  /** Durable on return. Throws what the disk throws. */
  write(mark: Omit<Mark, "sequence">): void {
    const sequence = (this.#current?.sequence ?? 0) + 1;
    const next = { ...mark, sequence };
    writeSlot(this.#fd, next);
    fdatasyncSync(this.#fd);
    this.#current = next;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Makes the file at its full size, so that later writes change no metadata. */
export function createMarkFile(path: string, mark: Omit<Mark, "sequence">): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeSync(fd, new Uint8Array(SLOT_COUNT * SLOT_STRIDE).fill(0x20));
    writeSlot(fd, { ...mark, sequence: 1 });
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Reads without disturbing the owner. Null when no slot is valid; throws when there is no file. */
export function readMark(path: string): Mark | null {
  const bytes = readFileSync(path);
  return newest([0, 1].map((slot) => parseSlot(bytes.subarray(slot * SLOT_STRIDE))));
}

function writeSlot(fd: number, mark: Mark): void {
  const json = JSON.stringify(mark);
  assert(json.length < SLOT_BYTES - CRC_DIGITS - 1, "a mark fits its slot");
  const body = new TextEncoder().encode(` ${json.padEnd(SLOT_BYTES - CRC_DIGITS - 2)}\n`);
  const slot = new Uint8Array(SLOT_BYTES);
  slot.set(new TextEncoder().encode(crcText(body)));
  slot.set(body, CRC_DIGITS);
  const written = writeSync(fd, slot, 0, SLOT_BYTES, (mark.sequence % SLOT_COUNT) * SLOT_STRIDE);
  assert(written === SLOT_BYTES, "a slot is written in one piece");
}

function readSlot(fd: number, slot: number): Mark | null {
  const bytes = new Uint8Array(SLOT_BYTES);
  const read = readSync(fd, bytes, 0, SLOT_BYTES, slot * SLOT_STRIDE);
  return parseSlot(bytes.subarray(0, read));
}

function parseSlot(bytes: Uint8Array): Mark | null {
  if (bytes.length < SLOT_BYTES) return null;
  const text = new TextDecoder().decode(bytes.subarray(0, SLOT_BYTES));
  const body = bytes.subarray(CRC_DIGITS, SLOT_BYTES);
  if (text.slice(0, CRC_DIGITS) !== crcText(body)) return null;
  // The checksum says that it was written by `writeSlot`.
  return JSON.parse(text.slice(CRC_DIGITS)) as Mark;
}

const crcText = (body: Uint8Array): string =>
  crc32c(0, body).toString(16).padStart(CRC_DIGITS, "0");

function newest(marks: readonly (Mark | null)[]): Mark | null {
  let best: Mark | null = null;
  for (const mark of marks) {
    if (mark !== null && mark.sequence > (best?.sequence ?? 0)) best = mark;
  }
  return best;
}
