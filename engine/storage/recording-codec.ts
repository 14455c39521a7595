import { crc32c } from "../lib/crc32c.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Recorded } from "../raft/recording.ts";
import { type EffectsOutline, outlineOf } from "./effects-outline.ts";
import { PlainReader, PlainWriter } from "./plain-codec.ts";

/** As kept in a file: what was taken is outlined, everything else is there whole. */
export type Kept =
  | Exclude<Recorded, { kind: "take" }>
  | { readonly kind: "take"; readonly effects: EffectsOutline | null };

export type Recording = {
  /** The version of nl that wrote it. */
  readonly version: string;
  readonly events: readonly Kept[];
  /** Bytes after the last whole event: the process died while it wrote. */
  readonly tornBytes: number;
};

const MAGIC = new TextEncoder().encode("nl recording 1\n");
/** Length and CRC-32C of what follows. */
const HEAD_BYTES = 8;

/** Writes one file: first `header`, then each event. */
export class RecordingWriter {
  readonly #writer = new PlainWriter();

  header(version: string): Uint8Array {
    return Buffer.concat([MAGIC, this.#frame({ version })]);
  }

  event(event: Recorded): Uint8Array {
    if (event.kind !== "take") return this.#frame(event);
    const { effects } = event;
    return this.#frame({ kind: "take", effects: effects === null ? null : outlineOf(effects) });
  }

  #frame(value: object): Uint8Array {
    const bytes = this.#writer.write(value);
    const frame = Buffer.alloc(HEAD_BYTES + bytes.length);
    frame.writeUInt32LE(bytes.length, 0);
    frame.writeUInt32LE(crc32c(0, bytes), 4);
    frame.set(bytes, HEAD_BYTES);
    return frame;
  }
}

/** A file that ends in the middle of an event is cut there; one that was changed is refused. */
export function readRecording(file: Uint8Array): Result<Recording, string> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return err("this is not a recording of nl");
  const reader = new PlainReader();
  const values: unknown[] = [];
  let at = MAGIC.length;
  for (;;) {
    const payload = payloadAt(bytes, at);
    if (payload === null) break;
    if (crc32c(0, payload) !== bytes.readUInt32LE(at + 4)) {
      return err(`event ${values.length} at byte ${at} is damaged: its checksum does not match`);
    }
    values.push(reader.read(payload));
    at += HEAD_BYTES + payload.length;
  }
  const [header, ...events] = values;
  if (header === undefined) return err("the recording ends before it begins");
  const { version } = header as { readonly version: string };
  return ok({ version, events: events as Kept[], tornBytes: bytes.length - at });
}

/** Null when the bytes end before the event does. */
function payloadAt(bytes: Buffer, at: number): Uint8Array | null {
  if (at + HEAD_BYTES > bytes.length) return null;
  const end = at + HEAD_BYTES + bytes.readUInt32LE(at);
  return end > bytes.length ? null : bytes.subarray(at + HEAD_BYTES, end);
}
