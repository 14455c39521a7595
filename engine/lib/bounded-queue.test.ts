import { describe, expect, test } from "bun:test";
import { BoundedQueue } from "./bounded-queue.ts";

describe("bounded queue", () => {
  test("gives back in order what it took, and refuses when it is full", () => {
    const queue = new BoundedQueue<number>(2);

    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([1, 2, undefined]);
    expect(queue.push(4)).toBe(true);
    expect(queue.size).toBe(1);
  });

  test("keeps its order over many turns at a changing length", () => {
    const queue = new BoundedQueue<number>(10_000);
    const taken: (number | undefined)[] = [];

    for (let item = 0; item < 10_000; item++) {
      queue.push(item);
      if (item > 2_000 && item % 3 > 0) taken.push(queue.shift());
    }
    while (queue.size > 0) taken.push(queue.shift());

    expect(taken).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });

  test("lets go of what it gave back", async () => {
    const queue = new BoundedQueue<object>(100);
    const references = fillAndEmpty(queue);
    queue.push({});

    await Promise.resolve();
    Bun.gc(true);

    // The collector looks at the stack too, where one or the other may have stayed.
    const left = references.filter((reference) => reference.deref() !== undefined);
    expect(left.length).toBeLessThan(10);
    expect(queue.size).toBe(1);
  });
});

function fillAndEmpty(queue: BoundedQueue<object>): readonly WeakRef<object>[] {
  for (let i = 0; i < 50; i++) queue.push({ large: new Uint8Array(1_000) });
  return Array.from({ length: 50 }, () => new WeakRef(queue.shift() ?? {}));
}
