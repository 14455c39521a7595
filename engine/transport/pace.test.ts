import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

test("a pace lets the first bytes pass at once and spreads what follows", () => {
  const pace = new Pace(1_000);

  const waits = [pace.take(100, 0), pace.take(100, 0), pace.take(50, 100), pace.take(50, 260)];

  expect(waits).toEqual([0, 100, 100, 0]);
});

test("a pace saves nothing up while nobody sends", () => {
  const pace = new Pace(1_000);
  pace.take(100, 0);

  expect([pace.take(100, 60_000), pace.take(100, 60_000)]).toEqual([0, 100]);
});
