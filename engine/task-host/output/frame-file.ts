import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writevSync,
} from "node:fs";
import { assert } from "../../lib/assert.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { OutputStream } from "../task-driver.ts";

/** A piece of output as it lies in a file: a checked header, then the bytes. */
export type Frame = {
  readonly stream: OutputStream;
  /** Position of the first byte in the attempt's one sequence. */
  readonly offset: number;
  /** Position of the first byte within its own stream. */
  readonly streamOffset: number;
  readonly data: Uint8Array;
};

export const FRAME_BYTES_MAX = 64 * 1024;
const CHECK_AT = 16;
const HEADER_BYTES = CHECK_AT + 4;

/**
 * An append-only file of frames that can be emptied and filled again. `fill` counts the fillings
 * over all files of a stream, so it orders them: what has a higher fill was written later.
 */
export class FrameFile {
  fill: number;
  /** Bytes in the file, headers included. */
  size = 0;
  /** Bytes of output in it. */
  dataBytes = 0;
  readonly #path: string;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #fd: number | null = null;

  constructor(path: string, fill: number) {
    this.#path = path;
    this.fill = fill;
  }

  /** False: the disk did not take it, and the file is as it was. */
  append(frame: Frame): boolean {
    assert(frame.data.length <= FRAME_BYTES_MAX, "a frame fits its length field");
    const header = this.#header;
    encodeHeader(frame, header);
    try {
      const fd = this.#open();
      const written = writevSync(fd, [header, frame.data], this.size);
      // What a short write left behind lies beyond `size`, so the next frame overwrites it.
      if (written !== header.length + frame.data.length) return false;
    } catch {
      // A full or failing disk costs output, never the task.
      return false;
    }
    this.size += HEADER_BYTES + frame.data.length;
    this.dataBytes += frame.data.length;
    return true;
  }

  /** Forgets its content and takes the place `fill` in the order. */
  refill(fill: number): void {
    this.fill = fill;
    this.size = 0;
    this.dataBytes = 0;
    try {
      ftruncateSync(this.#open(), 0);
    } catch {
      // The old bytes lie beyond `size` and are overwritten.
    }
  }

  /**
   * The frame at a file position, and where the next one begins; null at the end, and where what
   * is there is not what was written: nothing behind it can be told apart.
   */
  frameAt(position: number): { readonly frame: Frame; readonly next: number } | null {
    if (position + HEADER_BYTES > this.size) return null;
    const header = this.#read(position, HEADER_BYTES);
    if (header === null) return null;
    const { stream, length, offset, streamOffset, check } = decodeHeader(header);
    const data = this.#read(position + HEADER_BYTES, length);
    if (data === null || check !== checkOf(header, data)) return null;
    return {
      frame: { stream, offset, streamOffset, data },
      next: position + HEADER_BYTES + length,
    };
  }

  /** Takes over what a previous process wrote; a torn last frame is cut off. */
  recover(): { readonly first: Frame; readonly last: Frame } | null {
    let first: Frame | null = null;
    let last: Frame | null = null;
    try {
      this.size = fstatSync(this.#open()).size;
    } catch {
      return null;
    }
    let position = 0;
    for (let at = this.frameAt(0); at !== null; at = this.frameAt(position)) {
      first ??= at.frame;
      last = at.frame;
      this.dataBytes += at.frame.data.length;
      position = at.next;
    }
    this.size = position;
    return first === null || last === null ? null : { first, last };
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #open(): number {
    this.#fd ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    return this.#fd;
  }

  #read(position: number, length: number): Uint8Array | null {
    if (length > FRAME_BYTES_MAX) return null;
    const bytes = new Uint8Array(length);
    return readSync(this.#open(), bytes, 0, length, position) === length ? bytes : null;
  }
}

/** stream: 1 byte, length: 3, offset: 6, stream offset: 6, CRC-32C of all else: 4; little-endian. */
function encodeHeader({ stream, data, offset, streamOffset }: Frame, header: Buffer): void {
  header.writeUInt8(stream === "stdout" ? 1 : 2, 0);
  header.writeUIntLE(data.length, 1, 3);
  header.writeUIntLE(offset, 4, 6);
  header.writeUIntLE(streamOffset, 10, 6);
  header.writeUInt32LE(checkOf(header, data), CHECK_AT);
}

const checkOf = (header: Uint8Array, data: Uint8Array): number =>
  crc32c(crc32c(0, header.subarray(0, CHECK_AT)), data);

function decodeHeader(bytes: Uint8Array) {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const stream: OutputStream = header.readUInt8(0) === 1 ? "stdout" : "stderr";
  return {
    stream,
    length: header.readUIntLE(1, 3),
    offset: header.readUIntLE(4, 6),
    streamOffset: header.readUIntLE(10, 6),
    check: header.readUInt32LE(CHECK_AT),
  };
}
