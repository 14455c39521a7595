import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RaftFrame } from "../../proto/gen/nl/v1/raft.ts";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import type { ConfState, Message, SnapshotMeta } from "../raft/types.ts";
import { decodeFrame, encodeBatch, encodeHello, FRAME_BYTES_MAX } from "./frame-codec.ts";
import { decodeMessage, ENTRY_BYTES_MAX, encodeMessage, messageBytes } from "./message-codec.ts";

const head = { from: 1 as PeerId, to: 2 as PeerId, term: 5 as Term };
const natural = () => fc.maxSafeNat();

describe("message codec", () => {
  test("gives back every append that it was given, within the announced bytes", () => {
    fc.assert(
      fc.property(appends(), (message) => {
        const frame = encodeBatch([message]);

        expect(frame.length).toBeLessThanOrEqual(messageBytes(message));
        expect(onlyMessage(frame)).toEqual(message);
      }),
    );
  });

  test("announces enough bytes for the largest numbers of every other kind", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const at = { from: most as PeerId, to: most as PeerId, term: most as Term };
    const [index, term] = [most as Index, most as Term];
    const ids = Array.from({ length: 1000 }, (_, i) => (most - i) as PeerId);
    const conf = { voters: ids, votersOutgoing: ids, learners: ids, learnersNext: ids };
    const hint = { hintIndex: index, hintTerm: term };
    const messages: readonly Message[] = [
      { ...at, kind: "vote", pre: true, lastIndex: index, lastTerm: term, transfer: true },
      {
        ...at,
        kind: "append-reply",
        session: most,
        index,
        reject: true,
        ...hint,
        lag: most,
        lost: true,
      },
      { ...at, kind: "heartbeat-reply", session: most, readSeq: most, lag: most, lost: true },
      { ...at, kind: "snapshot", session: most, snapshot: snapshot({ ...conf, autoLeave: true }) },
    ];

    for (const message of messages) {
      const frame = encodeBatch([message]);
      expect(frame.length).toBeLessThanOrEqual(messageBytes(message));
      expect(onlyMessage(frame)).toEqual(message);
    }
  });

  test("passes the bytes of an entry on as they are", () => {
    const whole = Uint8Array.of(9, 1, 2, 3, 9);
    const data = whole.subarray(1, 4);

    const frame = encodeBatch([append([{ term: 5, data }])]);

    expect(frame.includes(Buffer.from(data))).toBe(true);
    const message = onlyMessage(frame);
    expect(message?.kind === "append" && [...(message.entries[0]?.data ?? [])]).toEqual([1, 2, 3]);
  });

  test("refuses what the core must never see", () => {
    const entry = { term: 5, kind: 0, data: Buffer.alloc(0) };
    const wireAppend = (change: object) => {
      const value = { session: 1, prevIndex: 3, prevTerm: 4, entries: [entry], commit: 0 };
      return { ...head, kind: { $case: "append" as const, value: { ...value, ...change } } };
    };
    const good = encodeMessage({ ...head, kind: "timeout-now" });
    const most = Number.MAX_SAFE_INTEGER;

    expect(decodeMessage(wireAppend({}))).not.toBeNull();
    expect(decodeMessage({ ...good, from: 0 })).toBeNull();
    expect(decodeMessage({ ...good, to: 0 })).toBeNull();
    expect(decodeMessage({ ...head, kind: undefined })).toBeNull();
    for (const change of [
      { entries: [{ ...entry, kind: 3 }] },
      { entries: [{ ...entry, term: 3 }] },
      { entries: [{ ...entry, term: 6 }] },
      { entries: [entry, { ...entry, term: 4 }] },
      { entries: [{ ...entry, data: Buffer.alloc(ENTRY_BYTES_MAX + 1) }] },
      { entries: new Array(128 * 1024 + 1).fill(entry) },
      { prevIndex: most },
    ]) {
      expect(decodeMessage(wireAppend(change))).toBeNull();
    }
  });

  test("refuses a snapshot with a configuration, name or hash that cannot be", () => {
    const ids = (...list: number[]) => list as PeerId[];
    const conf: ConfState = {
      voters: ids(1),
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const decoded = (meta: SnapshotMeta) =>
      decodeMessage(encodeMessage({ ...head, kind: "snapshot", session: 1, snapshot: meta }));

    expect(decoded(snapshot(conf))).not.toBeNull();
    for (const change of [
      { voters: [] },
      { voters: ids(1, 1) },
      { learners: ids(0) },
      { voters: ids(...Array.from({ length: 1025 }, (_, i) => i + 1)) },
    ]) {
      expect(decoded(snapshot({ ...conf, ...change }))).toBeNull();
    }
    for (const id of ["../x", "", "..", ".", "a/b", "a b", ".x", "a\\b"]) {
      expect(decoded({ ...snapshot(conf), id })).toBeNull();
    }
    for (const change of [{ sha256: "AB" }, { index: 0 as Index }]) {
      expect(decoded({ ...snapshot(conf), ...change })).toBeNull();
    }
  });
});

describe("frame codec", () => {
  const hello = {
    clusterId: "blue",
    from: 1 as PeerId,
    to: 2 as PeerId,
    storeId: "s1",
    life: Number.MAX_SAFE_INTEGER,
    address: "127.0.0.1:7171",
  };

  test("gives back a hello, and refuses an incomplete or an unprintable one", () => {
    expect(decodeFrame(encodeHello(hello))).toEqual({ ok: true, value: { kind: "hello", hello } });
    const nobody = 0 as PeerId;
    for (const change of [
      { clusterId: "" },
      { storeId: "a b" },
      { address: "\u001b[2J" },
      { clusterId: "\ufffd" },
      { storeId: "x".repeat(256) },
      { from: nobody },
      { to: nobody },
      { life: 0 },
    ]) {
      expect(decodeFrame(encodeHello({ ...hello, ...change }))).toMatchObject({
        error: { kind: "malformed" },
      });
    }
  });

  test("refuses integers above 2^53-1 instead of rounding them (P45)", () => {
    const frame = encodeHello({ ...hello, life: 2 ** 53 - 1 });
    // The life is the only field with tag 5: add one to its varint.
    const at = frame.indexOf(Buffer.from([0x28, 0xff]));
    const larger = Buffer.from(frame);
    larger.set([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], at + 1);

    expect(decodeFrame(larger)).toMatchObject({ error: { kind: "malformed" } });
  });

  test("refuses a frame above 1 MiB without decoding it, and one with too many messages", () => {
    const many = { messages: new Array(4097).fill({ ...head, kind: undefined }) };
    const crowd = RaftFrame.encode({ kind: { $case: "batch", value: many } }).finish();

    expect(decodeFrame(new Uint8Array(FRAME_BYTES_MAX + 1))).toMatchObject({
      error: { kind: "too-large" },
    });
    expect(decodeFrame(crowd)).toMatchObject({ error: { kind: "too-many" } });
    expect(decodeFrame(new Uint8Array())).toMatchObject({ error: { kind: "empty" } });
  });

  test("counts the malformed messages of a batch and keeps the others", () => {
    const bad = { ...head, kind: undefined };
    const good = encodeMessage({ ...head, kind: "timeout-now" });
    const value = { messages: [bad, good, bad] };
    const bytes = RaftFrame.encode({ kind: { $case: "batch", value } }).finish();

    expect(decodeFrame(bytes)).toEqual({
      ok: true,
      value: { kind: "batch", messages: [{ ...head, kind: "timeout-now" }], refused: 2 },
    });
  });

  test("gives a frame or an error for whatever bytes arrive", () => {
    const frame = encodeBatch([append([{ term: 5, data: Uint8Array.of(1, 2, 3) }])]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeFrame(bytes).ok).toBe("boolean");
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.nat(frame.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(frame);
        changed[at] = byte;
        expect(typeof decodeFrame(changed).ok).toBe("boolean");
      }),
      { numRuns: 500 },
    );
  });
});

function onlyMessage(frame: Uint8Array): Message | null {
  const decoded = decodeFrame(frame);
  if (!decoded.ok || decoded.value.kind !== "batch") return null;
  expect(decoded.value.refused).toBe(0);
  const [message = null] = decoded.value.messages;
  if (message?.kind !== "append") return message;
  const entries = message.entries.map((e) => ({ ...e, data: new Uint8Array(e.data) }));
  return { ...message, entries };
}

function append(entries: readonly { readonly term: number; readonly data: Uint8Array }[]): Message {
  return {
    ...head,
    kind: "append",
    session: 1,
    prevIndex: 3 as Index,
    prevTerm: 4 as Term,
    entries: entries.map(({ term, data }, i) => ({
      index: (4 + i) as Index,
      term: term as Term,
      kind: "normal",
      data,
    })),
    commit: 0 as Index,
  };
}

const snapshot = (conf: ConfState): SnapshotMeta => ({
  index: Number.MAX_SAFE_INTEGER as Index,
  term: Number.MAX_SAFE_INTEGER as Term,
  conf,
  id: "s".repeat(128),
  bytes: Number.MAX_SAFE_INTEGER,
  sha256: "0f".repeat(32),
});

function appends(): fc.Arbitrary<Message> {
  const entries = fc.array(
    fc.record({
      step: fc.nat(3),
      kind: fc.constantFrom("normal", "noop", "conf"),
      data: fc.uint8Array(),
    }),
    { maxLength: 20 },
  );
  return fc
    .record({
      entries,
      prevIndex: fc.nat(2 ** 31),
      prevTerm: fc.nat(2 ** 31),
      session: natural(),
      commit: natural(),
    })
    .map(({ entries: steps, prevIndex, prevTerm, session, commit }) => {
      let term = prevTerm;
      const built = steps.map(({ step, kind, data }, i) => {
        term += step;
        const index = (prevIndex + i + 1) as Index;
        return { index, term: term as Term, kind, data } as const;
      });
      const previous = { prevIndex: prevIndex as Index, prevTerm: prevTerm as Term };
      const at = { ...head, term: Number.MAX_SAFE_INTEGER as Term };
      return {
        ...at,
        kind: "append",
        session,
        ...previous,
        entries: built,
        commit: commit as Index,
      };
    });
}
