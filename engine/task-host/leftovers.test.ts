import { expect, test } from "bun:test";
import type { AttemptId } from "../lib/ids.ts";
import { Leftovers } from "./leftovers.ts";

const FIRST = "0123456789ab.1" as AttemptId;
const SECOND = "0123456789ab.2" as AttemptId;

function recorder() {
  const removed: AttemptId[] = [];
  const { promise: emptied, resolve } = Promise.withResolvers<void>();
  const remove = async (attemptId: AttemptId): Promise<void> => {
    removed.push(attemptId);
    if (removed.length === 2) resolve();
    throw new Error("the daemon is away");
  };
  return { removed, emptied, driver: { remove } };
}

test("what a task left is removed by itself, but not while its end is being told", async () => {
  const { removed, emptied, driver } = recorder();
  const leftovers = new Leftovers();

  leftovers.removeSoon(driver, FIRST);
  leftovers.removeSoon(driver, SECOND);
  expect(removed).toEqual([]);
  await emptied;

  expect(removed).toEqual([FIRST, SECOND]);
});

test("a host that ends leaves nothing for later, and removes nothing twice", async () => {
  const { removed, driver } = recorder();
  const leftovers = new Leftovers();
  leftovers.removeSoon(driver, FIRST);

  await leftovers.removeNow();
  await leftovers.removeNow();

  expect(removed).toEqual([FIRST]);
});

test("a daemon that hangs does not keep the host from ending", async () => {
  const leftovers = new Leftovers();
  leftovers.removeSoon({ remove: () => new Promise(() => {}) }, FIRST);
  const from = performance.now();

  await leftovers.removeNow();

  expect(performance.now() - from).toBeLessThan(3_000);
});
