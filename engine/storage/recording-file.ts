import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import type { Recorded, RecordKeeper } from "../raft/recording.ts";
import { FILE_MODE } from "./node-files.ts";
import { RecordingWriter } from "./recording-codec.ts";

type Options = {
  readonly path: string;
  /** Of both files together; more only where a file would hold less than twice its start. */
  readonly maxBytes: number;
  readonly version: string;
  /** The disk refused: nothing is recorded any more, and the node goes on. */
  readonly onFailed: (reason: string) => void;
};

/** The file before the current one. Each can be replayed by itself. */
export const previousOf = (path: string): string => `${path}.previous`;

/**
 * The last `maxBytes` of what a node did, in two files: when one is half as long, it is renamed to
 * the previous one and another begins, with an image of the node. So the newest half at least is
 * always there. One write to the page cache a turn, nothing is synced: a death of the process loses
 * nothing, one of the machine may.
 */
export class RecordingFile implements RecordKeeper {
  readonly #options: Options;
  #writer = new RecordingWriter();
  #fd: number | null = null;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** Of the start: an image holds the cached end of the log, up to 16 MiB under load. */
  #startBytes = 0;
  #hasFailed = false;

  constructor(options: Options) {
    this.#options = options;
  }

  add(event: Recorded): void {
    if (this.#hasFailed) return;
    if (event.kind === "start") this.#begin();
    this.#push(this.#writer.event(event));
    if (event.kind === "start") this.#startBytes = this.#bytes;
    if (isEndOfTurn(event)) this.#flush();
  }

  wantsStart(): boolean {
    const enough = Math.max(this.#options.maxBytes / 2, 2 * this.#startBytes);
    return !this.#hasFailed && this.#bytes > enough;
  }

  #begin(): void {
    const { path, version } = this.#options;
    this.#flush();
    this.#orStop(() => {
      if (this.#fd !== null) closeSync(this.#fd);
      rename(path, previousOf(path));
      this.#fd = openSync(path, "wx", FILE_MODE);
    });
    this.#writer = new RecordingWriter();
    this.#bytes = 0;
    this.#push(this.#writer.header(version));
  }

  #push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#orStop(() => writeAll(this.#fd, bytes));
  }

  #orStop(action: () => void): void {
    if (this.#hasFailed) return;
    try {
      action();
    } catch (cause) {
      this.#hasFailed = true;
      this.#waiting = [];
      this.#options.onFailed(`cannot record to ${this.#options.path}: ${String(cause)}`);
    }
  }
}

/** The loop may give the thread back after it, so a file is whole whenever the process dies. */
const isEndOfTurn = (event: Recorded): boolean =>
  event.kind === "start" ||
  event.kind === "broken" ||
  (event.kind === "take" && event.effects === null);

function writeAll(fd: number | null, bytes: Uint8Array): void {
  for (let at = 0; fd !== null && at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
}
