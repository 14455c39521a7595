import { describe, expect, test } from "bun:test";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import type { Message } from "../raft/types.ts";
import { encodeBatch, FRAME_BYTES_MAX } from "./frame-codec.ts";
import { redialDelayMillis } from "./redial.ts";
import { SendQueue } from "./send-queue.ts";

describe("send queue", () => {
  test("cuts batches that fit a frame, in order, with at least one message", () => {
    const queue = new SendQueue();
    const sizes = [512, 100, 100, 512, 512, 1, 1].map((kib) => kib * 1024);
    for (const [i, bytes] of sizes.entries()) expect(queue.push(append(i, bytes))).toBe(true);

    const batches: number[][] = [];
    while (!queue.isEmpty) {
      const batch = queue.takeBatch();
      expect(encodeBatch(batch).length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
      batches.push(batch.map((message) => (message.kind === "append" ? message.prevIndex : -1)));
    }

    expect(batches).toEqual([
      [0, 1],
      [2, 3],
      [4, 5, 6],
    ]);
    expect(queue.takeBatch()).toEqual([]);
  });

  test("drops the newest when bytes or messages run out, and takes more when there is room", () => {
    const queue = new SendQueue();
    let taken = 0;
    while (queue.push(append(taken, 512 * 1024))) taken += 1;

    expect(taken).toBe(15);
    const [first] = queue.takeBatch();
    expect(first?.kind === "append" ? first.prevIndex : -1).toBe(0 as Index);
    expect(queue.push(append(15, 512 * 1024))).toBe(true);

    queue.clear();
    expect(queue.isEmpty).toBe(true);
    taken = 0;
    while (queue.push(append(taken, 1))) taken += 1;
    expect(taken).toBe(4096);
  });
});

describe("redial", () => {
  test("is immediate, then quick for about a second, then slower up to a second", () => {
    const slowest = { below: (n: number) => n - 1 };
    const quickest = { below: () => 0 };
    const delays = (random: typeof slowest) =>
      Array.from({ length: 20 }, (_, attempt) => redialDelayMillis(attempt, random));

    expect(delays(slowest)[0]).toBe(0);
    expect(delays(quickest)[1]).toBe(50);
    expect(delays(slowest).slice(1, 14)).toEqual(new Array(13).fill(100));
    expect(delays(slowest)[14]).toBeGreaterThan(100);
    expect(Math.max(...delays(slowest))).toBeLessThanOrEqual(1000);
    expect(Math.min(...delays(quickest).slice(14))).toBe(100);
  });
});

function append(prevIndex: number, bytes: number): Message {
  const at = { from: 1 as PeerId, to: 2 as PeerId, term: 1 as Term, session: 1 };
  const entry = { index: (prevIndex + 1) as Index, term: 1 as Term, kind: "normal" } as const;
  return {
    ...at,
    kind: "append",
    prevIndex: prevIndex as Index,
    prevTerm: 1 as Term,
    entries: [{ ...entry, data: new Uint8Array(bytes) }],
    commit: 0 as Index,
  };
}
