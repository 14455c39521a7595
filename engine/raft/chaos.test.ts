import { expect, test } from "bun:test";
import { Chaos } from "./chaos-fixture.ts";
import type { Status } from "./types.ts";

const SEEDS = 40;
const STEPS = 15_000;
/** Two seconds on a machine of its own; not a measure of anything. */
const TEST_MILLIS_MAX = 30_000;
/** Long enough for a last resort to be needed, taken, and followed by an ordinary election. */
const CALM_TICKS = 300;

/** Voters that can vote, in every configuration that somebody still believes in. */
const canElect = (statuses: readonly Status[]): boolean =>
  statuses.every(({ conf }) =>
    [conf.voters, conf.votersOutgoing].every((half) => {
      const sound = half.filter((id) => statuses.some((each) => each.id === id && !each.damaged));
      return half.length === 0 || sound.length * 2 > half.length;
    }),
  );

test(
  `membership, snapshots and damage: ${SEEDS} runs agree and come to rest`,
  () => {
    const restored: number[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const chaos = new Chaos(seed);

      chaos.run(STEPS);
      chaos.calm(CALM_TICKS);

      const statuses = [...chaos.nodes.values()].map(({ raft }) => raft.status());
      const leader = statuses.find(({ role }) => role === "leader");
      const why = `seed ${seed}`;
      if (leader === undefined) {
        expect(canElect(statuses), why).toBe(false);
        continue;
      }
      expect(leader.conf.votersOutgoing, why).toEqual([]);
      for (const id of [...leader.conf.voters, ...leader.conf.learners]) {
        const member = statuses.find((each) => each.id === id);
        expect(member?.commit, why).toBe(leader.commit);
        expect(member?.applied, why).toBe(leader.commit);
        expect(member?.conf, why).toEqual(leader.conf);
      }
      restored.push(chaos.counts.restores);
    }
    expect(restored.length).toBeGreaterThan(SEEDS / 2);
    expect(Math.max(...restored)).toBeGreaterThan(0);
  },
  TEST_MILLIS_MAX,
);

test(
  "a tick that is called quiet changes nothing",
  () => {
    for (let seed = 0; seed < SEEDS / 2; seed++) {
      const chaos = new Chaos(seed);
      chaos.checksQuiet = true;

      chaos.run(STEPS / 3);
      chaos.calm(CALM_TICKS / 3);

      expect(chaos.counts.quiet, `seed ${seed}`).toBeGreaterThan(100);
    }
  },
  TEST_MILLIS_MAX,
);
