import { describe, expect, test } from "bun:test";
import { BALLAST_BYTES, type DiskState, judgeDisk } from "./judge-disk.ts";

const MIB = 1024 * 1024;
const MIN_FREE = 512 * MIB;

const judge = (state: Partial<DiskState>) =>
  judgeDisk({ freeBytes: 10_000 * MIB, hasBallast: true, wasLow: false, ...state }, MIN_FREE);

describe("a disk", () => {
  test("is low below its limit, and stays so until a tenth above it", () => {
    const isLow = (freeMib: number, wasLow: boolean) =>
      judge({ freeBytes: freeMib * MIB, wasLow }).isLow;

    expect([isLow(512, false), isLow(511, false)]).toEqual([false, true]);
    expect([isLow(563, true), isLow(564, true)]).toEqual([true, false]);
  });

  test("that is full gives its ballast back, and no sooner", () => {
    expect(judge({ freeBytes: 17 * MIB }).ballast).toBe("leave");
    expect(judge({ freeBytes: 15 * MIB })).toEqual({ isLow: true, ballast: "release" });
    expect(judge({ freeBytes: 0, hasBallast: false }).ballast).toBe("leave");
  });

  test("gets a ballast only where that leaves enough", () => {
    const withRoomFor = (bytes: number) =>
      judge({ freeBytes: MIN_FREE * 1.1 + bytes, hasBallast: false }).ballast;

    expect(withRoomFor(BALLAST_BYTES)).toBe("make");
    expect(withRoomFor(BALLAST_BYTES - 1)).toBe("leave");
    expect(judge({ hasBallast: true }).ballast).toBe("leave");
  });

  test("is never judged to make and to release its ballast in turns", () => {
    for (let freeBytes = 0; freeBytes < 2_000 * MIB; freeBytes += 5 * MIB) {
      for (const minFree of [0, 100 * MIB, MIN_FREE]) {
        const made = judgeDisk({ freeBytes, hasBallast: false, wasLow: false }, minFree);
        if (made.ballast !== "make") continue;
        const after = { freeBytes: freeBytes - BALLAST_BYTES, hasBallast: true, wasLow: false };
        expect(judgeDisk(after, minFree)).toEqual({ isLow: false, ballast: "leave" });
      }
    }
  });
});
