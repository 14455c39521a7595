import { writeFileSync } from "node:fs";
import type { Recorded, RecordKeeper } from "../raft/recording.ts";
import { FILE_MODE } from "./node-files.ts";
import { RecordingWriter } from "./recording-codec.ts";

const EVENTS_MAX = 16_384;
/** Data of entries that are kept alive by being remembered here. */
const DATA_BYTES_MAX = 8 * 1024 * 1024;

type Options = {
  readonly path: string;
  readonly version: string;
  /** The file that replays the crash, or why there is none. */
  readonly onBroken: (said: { readonly path: string } | { readonly reason: string }) => void;
};

/**
 * The last inputs of a node, in memory and always on: references only, so that it costs nothing to
 * speak of. They are written down when an invariant breaks (contract 14), and replay the crash.
 */
export class LastInputs implements RecordKeeper {
  readonly #options: Options;
  /** What came before `#current`: together at least half of the bounds, once there was so much. */
  #previous: readonly Recorded[] = [];
  #current: Recorded[] = [];
  #dataBytes = 0;
  #isOver = false;

  constructor(options: Options) {
    this.#options = options;
  }

  add(event: Recorded): void {
    if (this.#isOver) return;
    if (event.kind === "start") {
      this.#previous = this.#current;
      this.#current = [];
      this.#dataBytes = 0;
    }
    this.#current.push(event);
    if (event.kind === "input") this.#dataBytes += dataBytesOf(event);
    if (event.kind === "broken") this.#write();
  }

  wantsStart(): boolean {
    return this.#current.length > EVENTS_MAX / 2 || this.#dataBytes > DATA_BYTES_MAX / 2;
  }

  #write(): void {
    this.#isOver = true;
    const { path, version, onBroken } = this.#options;
    const writer = new RecordingWriter();
    const events = [...this.#previous, ...this.#current];
    try {
      const parts = [writer.header(version), ...events.map((event) => writer.event(event))];
      writeFileSync(path, Buffer.concat(parts), { mode: FILE_MODE });
      onBroken({ path });
    } catch (cause) {
      onBroken({ reason: `cannot write ${path}: ${String(cause)}` });
    }
  }
}

function dataBytesOf({ input }: Extract<Recorded, { kind: "input" }>): number {
  if (input.kind === "propose") return sum(input.data);
  if (input.kind === "fetched" && input.result !== "compacted") return sum(datasOf(input.result));
  const isAppend = input.kind === "message" && input.message.kind === "append";
  return isAppend ? sum(datasOf(input.message.entries)) : 0;
}

const datasOf = (entries: readonly { readonly data: Uint8Array }[]): readonly Uint8Array[] =>
  entries.map(({ data }) => data);

const sum = (parts: readonly Uint8Array[]): number =>
  parts.reduce((bytes, part) => bytes + part.length, 0);
