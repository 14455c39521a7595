import { describe, expect, test } from "bun:test";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import type { SnapshotMessage } from "../platform/snapshot-link.ts";
import type { Hello } from "./frame-codec.ts";
import {
  CHUNK_BYTES_MAX,
  decodeAck,
  decodeSnapshotFrame,
  encodeAck,
  encodeChunk,
  encodeStart,
} from "./snapshot-frames.ts";

const hello: Hello = {
  clusterId: "blue",
  from: 1 as PeerId,
  to: 2 as PeerId,
  storeId: "store-1",
  life: 7,
  address: "127.0.0.1:1",
};
const message: SnapshotMessage = {
  kind: "snapshot",
  from: 1 as PeerId,
  to: 2 as PeerId,
  term: 4 as Term,
  session: 2,
  snapshot: {
    index: 9 as Index,
    term: 3 as Term,
    conf: {
      voters: [1 as PeerId],
      votersOutgoing: [],
      learners: [2 as PeerId],
      learnersNext: [],
      autoLeave: false,
    },
    id: "1-9",
    bytes: 12,
    sha256: "0".repeat(64),
  },
};

describe("a snapshot's frames", () => {
  test("come back as they were", () => {
    const data = Uint8Array.of(1, 2, 3);
    const ack = { hello, offset: 5, verified: true };

    expect(decodeSnapshotFrame(encodeStart(hello, message))).toEqual({
      ok: true,
      value: { kind: "start", hello, message },
    });
    expect(decodeSnapshotFrame(encodeChunk(8, data))).toMatchObject({
      value: { kind: "chunk", offset: 8, data: Buffer.from(data) },
    });
    expect(decodeAck(encodeAck(ack))).toEqual(ack);
    expect(decodeAck(encodeAck({ ...ack, hello: null }))).toEqual({ ...ack, hello: null });
  });

  test("that speak for another peer, or are empty or too large, are refused", () => {
    const wrong = [
      encodeStart({ ...hello, from: 3 as PeerId }, message),
      encodeStart(hello, { ...message, snapshot: { ...message.snapshot, id: "../x" } }),
      encodeChunk(0, new Uint8Array(0)),
      encodeChunk(0, new Uint8Array(CHUNK_BYTES_MAX + 1)),
      Buffer.alloc(0),
      Buffer.alloc(CHUNK_BYTES_MAX + 128 * 1024),
    ];

    for (const frame of wrong) expect(decodeSnapshotFrame(frame).ok).toBe(false);
  });

  test("never throw, wherever they are cut or changed", () => {
    const frames = [encodeStart(hello, message), encodeChunk(8, Uint8Array.of(1, 2, 3))];
    for (const frame of [...frames, encodeAck({ hello, offset: 1, verified: false })]) {
      for (let at = 0; at < frame.length; at++) {
        const changed = Buffer.from(frame);
        changed[at] = (changed[at] ?? 0) ^ 0xff;
        for (const bytes of [frame.subarray(0, at), changed]) {
          expect(typeof decodeSnapshotFrame(bytes).ok).toBe("boolean");
          expect(decodeAck(bytes) === null || true).toBe(true);
        }
      }
    }
  });
});
