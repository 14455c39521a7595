import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { UnixMillis } from "../lib/ids.ts";
import { PendingQueue, queueKey } from "./pending-queue.ts";
import { SortedChunks } from "./sorted-chunks.ts";

const ascending = (a: number, b: number): number => a - b;

describe("SortedChunks", () => {
  test("holds what a sorted set holds, whatever comes and goes", () => {
    const change = fc.record({ insert: fc.boolean(), item: fc.nat({ max: 3_000 }) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6_000, size: "max" }), (changes) => {
        const chunks = new SortedChunks(ascending);
        const model = new Set<number>();

        for (const { insert, item } of changes) {
          const did = insert ? chunks.insert(item) : chunks.remove(item);
          expect(did).toBe(insert !== model.has(item));
          if (insert) model.add(item);
          else model.delete(item);
        }

        expect([...chunks]).toEqual([...model].sort(ascending));
        expect(chunks.size).toBe(model.size);
        expect(chunks.first()).toBe([...model].sort(ascending)[0]);
      }),
      { numRuns: 20 },
    );
  });

  test("keeps what arrives in order, and gives it back from the front", () => {
    const chunks = new SortedChunks(ascending);
    for (let item = 0; item < 5_000; item++) chunks.insert(item);

    for (let item = 0; item < 5_000; item++) {
      expect(chunks.first()).toBe(item);
      chunks.remove(item);
    }

    expect(chunks.size).toBe(0);
    expect(chunks.first()).toBeUndefined();
  });
});

describe("PendingQueue", () => {
  test("orders by priority, then by submission, with the delayed in their places when due", () => {
    const queue = new PendingQueue();
    const now = 100 as UnixMillis;
    const later = 200 as UnixMillis;
    const [low, early, high, late] = [
      queueKey(10, 1),
      queueKey(50, 2),
      queueKey(90, 4),
      queueKey(50, 3),
    ] as const;
    for (const key of [low, late, high]) queue.add({ key, notBefore: null }, now);
    queue.add({ key: early, notBefore: later }, now);

    expect([...queue.ready(now)]).toEqual([high, late, low]);
    expect([...queue.ready(later)]).toEqual([high, early, late, low]);
    expect([...queue.all()]).toEqual([high, early, late, low]);
    expect(queue.nextDueAt(now)).toBe(later);
    expect(queue.nextDueAt(later)).toBeNull();
  });

  test("a delayed job can leave before and after its time has come", () => {
    const queue = new PendingQueue();
    const [one, two] = [
      { key: 1, notBefore: 200 as UnixMillis },
      { key: 2, notBefore: 200 as UnixMillis },
    ] as const;
    for (const waiting of [one, two]) queue.add(waiting, 100 as UnixMillis);

    queue.remove(one);
    queue.advance(300 as UnixMillis);
    queue.remove(two);

    expect(queue.size).toBe(0);
  });
});
