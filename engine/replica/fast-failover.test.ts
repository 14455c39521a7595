import { describe, expect, test } from "bun:test";
import { NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import { FastFailover } from "./fast-failover.ts";
import { FakeWorld } from "./testing/fake-world.ts";

const LEADER = 2 as PeerId;
const TERM = 3 as Term;
/** This node voted for the leader that is gone, and for nobody since. */
const IDLE = { term: TERM, votedFor: LEADER };

/** Runs a series against a leader table that never finds a leader; when campaigns were due. */
function campaignsWithin(
  millis: number,
  prepare: (failover: FastFailover) => void,
  candidacy: (nowMillis: number) => { readonly term: Term; readonly votedFor: PeerId } = () => IDLE,
): number[] {
  const world = new FakeWorld();
  const times: number[] = [];
  const failover = new FastFailover({
    timers: world.timers,
    random: world.random,
    onDue: () => {
      const now = world.clock.monotonicMillis();
      if (failover.takeCampaign(() => ({ ...candidacy(now), leader: NOBODY }))) times.push(now);
    },
  });
  prepare(failover);
  world.advance(millis);
  return times;
}

const loseLeader = (failover: FastFailover): void => {
  failover.onLink({ kind: "peer-opened", peer: LEADER });
  failover.onLink({ kind: "peer-closed", peer: LEADER });
  failover.onLink({ kind: "peer-refused", peer: LEADER });
};

describe("fast failover (contract 17)", () => {
  test("takes a closed stream alone for a broken link, not for a death", () => {
    const world = new FakeWorld();
    const { timers, random } = world;
    const failover = new FastFailover({ timers, random, onDue: () => {} });

    failover.onLink({ kind: "peer-opened", peer: LEADER });
    failover.onLink({ kind: "peer-closed", peer: LEADER });
    expect(failover.isGone(LEADER)).toBe(false);
    failover.onLink({ kind: "peer-refused", peer: LEADER });
    expect(failover.isGone(LEADER)).toBe(true);
    failover.onLink({ kind: "peer-opened", peer: LEADER });
    expect(failover.isGone(LEADER)).toBe(false);
  });

  test("takes a refused redial alone for nothing while a stream is open", () => {
    const world = new FakeWorld();
    const { timers, random } = world;
    const failover = new FastFailover({ timers, random, onDue: () => {} });

    failover.onLink({ kind: "peer-opened", peer: LEADER });
    failover.onLink({ kind: "peer-refused", peer: LEADER });

    expect(failover.isGone(LEADER)).toBe(false);
  });

  test("asks within 50 ms, then every 50 to 100 ms, for at most a second", () => {
    const times = campaignsWithin(5_000, (failover) => {
      loseLeader(failover);
      failover.hurry(LEADER, TERM);
    });

    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(times[0]).toBeLessThanOrEqual(50);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(100);
    expect(times.length).toBeGreaterThan(9);
    expect(times.at(-1)).toBeLessThanOrEqual(1_000);
  });

  test("leaves a candidacy alone for 100 to 200 ms, its own or one it voted for", () => {
    const OTHER = 3 as PeerId;
    const next = (TERM + 1) as Term;

    const times = campaignsWithin(
      500,
      (failover) => {
        loseLeader(failover);
        failover.hurry(LEADER, TERM);
      },
      (now) => (now < 1 ? IDLE : { term: next, votedFor: OTHER }),
    );

    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(times[0]).toBeGreaterThan(50);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(200);
  });

  test("ends when the dead process is back", () => {
    const times = campaignsWithin(5_000, (failover) => {
      loseLeader(failover);
      failover.hurry(LEADER, TERM);
      failover.onLink({ kind: "peer-opened", peer: LEADER });
    });

    expect(times).toEqual([]);
  });
});
