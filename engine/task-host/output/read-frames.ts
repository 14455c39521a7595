import type { OutputChunk } from "../../platform/output-reader.ts";
import { FRAME_BYTES_MAX, type Frame } from "./frame-file.ts";
import { endOf, type StreamFiles } from "./stream-files.ts";

/** Reads both streams of a task as the one sequence in which they were written. */
export class FrameReader {
  readonly #cursors: readonly StreamCursor[];
  #position: number;

  constructor(streams: readonly StreamFiles[], from: number) {
    this.#cursors = streams.map((stream) => new StreamCursor(stream));
    this.#position = from;
  }

  /** The position up to which everything kept was returned. */
  get position(): number {
    return this.#position;
  }

  /** The next piece; null when there is nothing more now. */
  next(): OutputChunk | null {
    const from = this.#position;
    const cursor = earliest(this.#cursors, from);
    const frame = cursor?.peek(from) ?? null;
    if (cursor === null || frame === null) return null;
    const parts = [frame.data.subarray(Math.max(0, from - frame.offset))];
    const offset = Math.max(from, frame.offset);
    cursor.skip();
    this.#position = gather(cursor, parts, endOf(frame));
    return chunkOf({ offset, stream: frame.stream, skippedBytes: offset - from }, parts);
  }
}

/** Many small writes of one stream travel as one piece. Returns the position after them. */
function gather(cursor: StreamCursor, parts: Uint8Array[], from: number): number {
  let position = from;
  let bytes = parts[0]?.length ?? 0;
  for (;;) {
    const frame = cursor.peek(position);
    if (frame === null || frame.offset !== position) return position;
    if (bytes + frame.data.length > FRAME_BYTES_MAX) return position;
    parts.push(frame.data);
    bytes += frame.data.length;
    position = endOf(frame);
    cursor.skip();
  }
}

function chunkOf(
  place: Pick<OutputChunk, "offset" | "stream" | "skippedBytes">,
  parts: readonly Uint8Array[],
): OutputChunk {
  const [only] = parts;
  const data = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return { ...place, data, complete: false };
}

function earliest(cursors: readonly StreamCursor[], from: number): StreamCursor | null {
  let best: StreamCursor | null = null;
  let bestOffset = Number.POSITIVE_INFINITY;
  for (const cursor of cursors) {
    const frame = cursor.peek(from);
    if (frame === null || frame.offset >= bestOffset) continue;
    best = cursor;
    bestOffset = frame.offset;
  }
  return best;
}

/**
 * A reader's place in the files of one stream. The tail files are emptied and refilled while it
 * reads: then it goes on with the oldest one that is left.
 */
class StreamCursor {
  readonly #stream: StreamFiles;
  #fill = 0;
  #position = 0;
  #peeked: { readonly frame: Frame; readonly next: number } | null = null;

  constructor(stream: StreamFiles) {
    this.#stream = stream;
  }

  /** The next frame that ends after `from`, without moving on to the one behind it. */
  peek(from: number): Frame | null {
    for (;;) {
      this.#peeked ??= this.#find();
      if (this.#peeked === null) return null;
      if (endOf(this.#peeked.frame) > from) return this.#peeked.frame;
      this.skip();
    }
  }

  skip(): void {
    if (this.#peeked !== null) this.#position = this.#peeked.next;
    this.#peeked = null;
  }

  #find(): { readonly frame: Frame; readonly next: number } | null {
    const files = this.#stream.files();
    const found = files.find(({ fill }) => fill === this.#fill)?.frameAt(this.#position) ?? null;
    if (found !== null) return found;
    const later = files.find(({ fill, size }) => fill > this.#fill && size > 0);
    if (later === undefined) return null;
    this.#fill = later.fill;
    this.#position = 0;
    return later.frameAt(0);
  }
}
