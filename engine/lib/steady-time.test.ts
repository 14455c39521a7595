import { expect, test } from "bun:test";
import type { UnixMillis } from "./ids.ts";
import { SteadyTime } from "./steady-time.ts";

const START = 1_000_000 as UnixMillis;

test("goes on at the pace of the monotonic clock, below a floor that stands still", () => {
  const time = new SteadyTime(START, 50);

  expect([time.at(0, 50), time.at(START, 60), time.at(START, 1_060)]).toEqual([
    START,
    (START + 10) as UnixMillis,
    (START + 1_010) as UnixMillis,
  ]);
});

test("jumps to a later floor, and does not go back when the floor does", () => {
  const time = new SteadyTime(START, 0);

  expect(time.at(START + 500, 1)).toBe((START + 500) as UnixMillis);
  expect(time.at(START, 2)).toBe((START + 501) as UnixMillis);
});

test("adds up steps that are shorter than a millisecond", () => {
  const time = new SteadyTime(START, 0);
  let last = START;

  for (let step = 1; step <= 40; step++) last = time.at(0, step / 4);

  expect(last).toBe((START + 10) as UnixMillis);
});

test("a monotonic clock that seems to go back costs nothing", () => {
  const time = new SteadyTime(START, 100);

  time.at(0, 50);

  expect(time.at(0, 101)).toBe((START + 1) as UnixMillis);
});
