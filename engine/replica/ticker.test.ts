import { describe, expect, test } from "bun:test";
import { FakeWorld } from "./testing/fake-world.ts";
import { Ticker } from "./ticker.ts";

const TICK_MILLIS = 100;

/** A loop that only counts: how often it woke up, and for how many ticks. */
function loopWith(quietTicks: () => number) {
  const world = new FakeWorld();
  const counts = { wakes: 0, ticks: 0, due: 0 };
  const { timers, clock } = world;
  const turn = (): void => {
    const { quiet, isDue } = ticker.take();
    counts.ticks += quiet + (isDue ? 1 : 0);
    counts.due += isDue ? 1 : 0;
    ticker.sleep(quietTicks());
  };
  const onDue = (): void => {
    counts.wakes += 1;
    turn();
  };
  const ticker = new Ticker({ tickMillis: TICK_MILLIS, timers, clock, onDue });
  turn();
  return { world, counts, ticker, turn };
}

describe("the ticker", () => {
  test("wakes up for every tick that matters", () => {
    const { world, counts } = loopWith(() => 0);

    world.advance(1_000);

    expect(counts).toEqual({ wakes: 10, ticks: 10, due: 10 });
  });

  test("sleeps through quiet ticks and counts them all the same", () => {
    const { world, counts } = loopWith(() => 2);

    world.advance(3_000);

    expect(counts).toEqual({ wakes: 10, ticks: 30, due: 10 });
  });

  test("never sleeps longer than half of an election timeout", () => {
    const { world, counts } = loopWith(() => 1_000);

    world.advance(1_000);

    expect(counts).toEqual({ wakes: 2, ticks: 10, due: 2 });
  });

  test("a turn between two alarms counts what has passed, and none of it is due", () => {
    const { world, counts, turn } = loopWith(() => 4);

    world.advance(250);
    turn();

    expect(counts).toEqual({ wakes: 0, ticks: 2, due: 0 });
  });

  test("wakes up earlier when less is quiet than before", () => {
    let quiet = 4;
    const { world, counts, turn } = loopWith(() => quiet);
    world.advance(150);
    quiet = 0;

    turn();
    world.advance(60);

    expect(counts).toEqual({ wakes: 1, ticks: 2, due: 1 });
  });

  test.each([0, 4])("a stall is one tick, not a burst (%d of them quiet)", (quiet) => {
    const { world, counts } = loopWith(() => quiet);
    world.stall(60_000);

    world.advance(1);

    expect(counts).toEqual({ wakes: 1, ticks: 1, due: 1 });
  });

  test("is silent once stopped", () => {
    const { world, counts, ticker } = loopWith(() => 0);

    ticker.stop();
    world.advance(1_000);

    expect(counts.wakes).toBe(0);
  });
});
