import { join } from "node:path";
import { assert } from "../../lib/assert.ts";
import type { OutputStream } from "../task-driver.ts";
import { FRAME_BYTES_MAX, type Frame, FrameFile } from "./frame-file.ts";

/**
 * The kept output of one stream: the first `keepBytes` in one file, and at least the last
 * `keepBytes` in two more that are filled by turns. Costs three times `keepBytes` of disk and no
 * memory, however much the task writes.
 */
export class StreamFiles {
  readonly stream: OutputStream;
  /** Bytes the task has written to this stream, kept or not. */
  totalBytes = 0;
  readonly #keepBytes: number;
  readonly #hasRoom: () => boolean;
  readonly #head: FrameFile;
  /** The one being filled comes last. */
  #tails: readonly [FrameFile, FrameFile];

  constructor(
    folder: string,
    stream: OutputStream,
    options: { readonly keepBytes: number; readonly hasRoom: () => boolean },
  ) {
    this.stream = stream;
    this.#keepBytes = options.keepBytes;
    this.#hasRoom = options.hasRoom;
    this.#head = new FrameFile(join(folder, `${stream}.head`), 0);
    this.#tails = [
      new FrameFile(join(folder, `${stream}.tail-1`), 1),
      new FrameFile(join(folder, `${stream}.tail-2`), 2),
    ];
  }

  /** `offset`: position of the first byte in the attempt's one sequence. */
  write(offset: number, bytes: Uint8Array): void {
    let done = this.#hasRoom() ? 0 : bytes.length;
    while (done < bytes.length) {
      const { file, room } = this.#target();
      const length = Math.min(room, bytes.length - done, FRAME_BYTES_MAX);
      if (length === 0) break;
      const data = bytes.subarray(done, done + length);
      const streamOffset = this.totalBytes + done;
      file.append({ stream: this.stream, offset: offset + done, streamOffset, data });
      done += length;
    }
    this.totalBytes += bytes.length;
  }

  /** The kept files in the order they were written. */
  files(): readonly FrameFile[] {
    return [this.#head, ...this.#tails];
  }

  /** Takes over what a previous process wrote. Returns the end of the one sequence, as far as known. */
  recover(): number {
    const head = this.#head.recover();
    const tails = this.#tails.map((file) => ({ file, span: file.recover() }));
    tails.sort((a, b) => (a.span?.first.offset ?? -1) - (b.span?.first.offset ?? -1));
    const [older, newer] = tails;
    assert(older !== undefined && newer !== undefined, "a stream has two tail files");
    older.file.fill = 1;
    newer.file.fill = 2;
    this.#tails = [older.file, newer.file];
    const last = newer.span?.last ?? older.span?.last ?? head?.last;
    this.totalBytes = last === undefined ? 0 : last.streamOffset + last.data.length;
    return last === undefined ? 0 : endOf(last);
  }

  close(): void {
    for (const file of this.files()) file.close();
  }

  #target(): { readonly file: FrameFile; readonly room: number } {
    const headRoom = this.#keepBytes - this.#head.dataBytes;
    const [older, newer] = this.#tails;
    const isHeadOpen = newer.dataBytes === 0 && older.dataBytes === 0;
    if (headRoom > 0 && isHeadOpen) return { file: this.#head, room: headRoom };
    if (newer.dataBytes >= this.#keepBytes && this.#keepBytes > 0) {
      older.refill(newer.fill + 1);
      this.#tails = [newer, older];
      return { file: older, room: this.#keepBytes };
    }
    return { file: newer, room: this.#keepBytes - newer.dataBytes };
  }
}

export const endOf = (frame: Frame): number => frame.offset + frame.data.length;
