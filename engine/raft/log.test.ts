import { describe, expect, test } from "bun:test";
import { InvariantError } from "../lib/assert.ts";
import { at, bootFrom, bytes, conf, inTerm, snapshotAt } from "./cluster-fixture.ts";
import { RaftLog, TAIL_SOFT_BYTES_MAX } from "./log.ts";
import { entry } from "./messages-fixture.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** A log after a snapshot at 1 (term 1) with entries of these terms from 2 on, all durable. */
function logOf(...terms: readonly number[]): RaftLog {
  const log = RaftLog.fromBoot(bootFrom(snapshotAt(1, conf([1]))));
  for (const [place, term] of terms.entries()) log.append(entry(place + 2, term));
  log.handOut(1);
  log.persisted(1);
  return log;
}

describe("log", () => {
  test("knows the term of every kept entry and of the one before", () => {
    const log = logOf(1, 1, 3, 3, 7);

    const terms = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => log.termAt(at(index)));

    expect(terms.map(Number)).toEqual([0, 1, 1, 1, 3, 3, 7, 0]);
    expect(log.termAt(at(0))).toBeNull();
    expect(log.termAt(at(7))).toBeNull();
  });

  test("finds where two logs may agree by terms, not by entries (Raft §5.3)", () => {
    const log = logOf(1, 1, 3, 3, 3, 7);

    expect(log.conflictHint(at(7), inTerm(7))).toEqual({ index: at(7), term: inTerm(7) });
    expect(log.conflictHint(at(7), inTerm(5))).toEqual({ index: at(6), term: inTerm(3) });
    expect(log.conflictHint(at(6), inTerm(2))).toEqual({ index: at(3), term: inTerm(1) });
    expect(log.conflictHint(at(3), inTerm(0))).toEqual({ index: at(0), term: inTerm(0) });
    expect(log.conflictHint(at(99), inTerm(1))).toEqual({ index: at(99), term: inTerm(0) });
  });

  test("is durable only up to what is still in it: truncated and rewritten is another entry (P43)", () => {
    const log = logOf();
    log.append(entry(2, 1, "old"));
    log.append(entry(3, 1, "old"));
    log.handOut(2);
    log.truncateFrom(at(2));
    log.append(entry(2, 2, "new"));
    log.handOut(3);

    log.persisted(2);
    expect(log.durable).toBe(at(1));

    log.persisted(3);
    expect(log.durable).toBe(at(2));
  });

  test("is not durable by an older job although the same entry came back (P43)", () => {
    const log = logOf();
    log.append(entry(2, 1, "a"));
    log.handOut(2);
    log.truncateFrom(at(2));
    log.append(entry(2, 2, "b"));
    log.handOut(3);
    log.truncateFrom(at(2));
    log.append(entry(2, 3, "a"));
    log.handOut(4);

    log.persisted(2);
    log.persisted(3);

    expect(log.durable).toBe(at(1));
  });

  test("hands every entry to exactly one job, and again after it was rewritten", () => {
    const log = logOf();
    log.append(entry(2, 1));
    expect(log.handOut(2).map(({ index }) => Number(index))).toEqual([2]);
    expect(log.handOut(3)).toEqual([]);

    log.append(entry(3, 1));
    log.truncateFrom(at(2));
    log.append(entry(2, 2));

    expect(log.handOut(4).map(({ term }) => Number(term))).toEqual([2]);
  });

  test("slices by bytes, but never to nothing", () => {
    const log = logOf();
    for (let index = 2; index < 6; index++) log.append(entry(index, 1, "x".repeat(100)));

    expect(log.slice(at(2), at(5), 300).length).toBe(2);
    expect(log.slice(at(2), at(5), 1).length).toBe(1);
    expect(log.slice(at(3), at(4), NO_LIMIT).map(({ index }) => Number(index))).toEqual([3, 4]);
  });

  test("lets go of entries that nobody is about to ask for, never of uncommitted ones", () => {
    const log = logOf();
    const big = bytes("x".repeat(1024 * 1024));
    const count = TAIL_SOFT_BYTES_MAX / big.length + 8;
    for (let i = 0; i < count; i++) log.append({ ...entry(i + 2, 1), data: big });
    log.handOut(2);
    log.persisted(2);

    log.trim(at(4), log.lastIndex);
    expect(log.cacheFrom).toBe(at(4));

    log.trim(log.lastIndex, at(5));
    expect(log.cacheFrom).toBe(at(6));
    expect(log.cached(at(5))).toBeNull();
    expect(log.cached(at(6))?.index).toBe(at(6));
    expect(log.termAt(at(2))).toBe(inTerm(1));
  });

  test("starts after a snapshot, and knows the snapshot's term", () => {
    const log = logOf(1, 2);

    log.restore({ index: at(9), term: inTerm(4) });

    expect([log.firstIndex, log.lastIndex]).toEqual([at(10), at(9)]);
    expect(log.termAt(at(9))).toBe(inTerm(4));
    expect(log.termAt(at(3))).toBeNull();
  });

  test("compacts up to an entry and keeps that one's term", () => {
    const log = logOf(1, 2, 2, 3);

    log.compactBefore(at(4));

    expect(log.firstIndex).toBe(at(4));
    expect(log.termAt(at(3))).toBe(inTerm(2));
    expect(log.termAt(at(2))).toBeNull();
    expect(log.slice(at(4), at(9), NO_LIMIT).length).toBe(2);
  });

  test("refuses a gap and a falling term", () => {
    expect(() => logOf(1).append(entry(4, 1))).toThrow(InvariantError);
    expect(() => logOf(3).append(entry(3, 2))).toThrow(InvariantError);
  });

  test("boots with a log that overlaps its snapshot", () => {
    const boot = {
      ...bootFrom(snapshotAt(5, conf([1]))),
      termRuns: [
        { from: at(3), term: inTerm(1) },
        { from: at(7), term: inTerm(2) },
      ],
      tail: [entry(6, 1), entry(7, 2)],
      lastIndex: at(7),
    };

    const log = RaftLog.fromBoot(boot);

    expect([log.firstIndex, log.lastIndex, log.durable]).toEqual([at(4), at(7), at(7)]);
    expect([log.isCached(at(5)), log.isCached(at(6))]).toEqual([false, true]);
    expect(log.termAt(at(3))).toBe(inTerm(1));
  });
});
