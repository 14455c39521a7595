import type { PeerId } from "../../../engine/lib/ids.ts";
import { allMembers } from "../../../engine/raft/conf.ts";
import type { ConfOp, ConfState } from "../../../engine/raft/types.ts";
import type { SimRandom } from "../world/sim-random.ts";

/** Voters at most, outside of joint configurations. */
const VOTERS_MAX = 5;
export const MEMBERS_MAX = 7;

export type Wishing = {
  readonly conf: ConfState;
  readonly random: SimRandom;
  readonly leader: PeerId;
  /** A node that is no member and could become one; null = there is none. */
  readonly spare: () => PeerId | null;
};

type Wish = (wishing: Wishing) => readonly ConfOp[];

/** Adds a node that cannot vote yet. */
const addLearner: Wish = ({ conf, spare }) => {
  const id = allMembers(conf).length < MEMBERS_MAX ? spare() : null;
  return id === null ? [] : [{ op: "learner", id }];
};

/** Adds a voter with an empty log. */
const addVoter: Wish = ({ conf, spare }) => {
  const id = hasSeat(conf) ? spare() : null;
  return id === null ? [] : [{ op: "voter", id }];
};

const promote: Wish = ({ conf, random }) =>
  hasSeat(conf) && conf.learners.length > 0
    ? [{ op: "voter", id: random.pick(conf.learners) }]
    : [];

const demote: Wish = ({ conf, random }) => [{ op: "learner", id: random.pick(conf.voters) }];

const remove: Wish = ({ conf, random }) => [{ op: "remove", id: random.pick(allMembers(conf)) }];

const removeLeader: Wish = ({ leader }) => [{ op: "remove", id: leader }];

const replace: Wish = ({ conf, random, spare }) => {
  const voter = random.pick(conf.voters);
  const id = conf.learners.length > 0 ? random.pick(conf.learners) : spare();
  return id === null
    ? []
    : [
        { op: "remove", id: voter },
        { op: "voter", id },
      ];
};

/** 1 → 3 → 5 → 3, in one joint step. */
const resize: Wish = ({ conf: { voters, learners }, random, spare }) => {
  const wanted = random.pick(SIZES[voters.length] ?? [3]);
  if (wanted < voters.length) {
    const first = random.below(voters.length);
    const turned = [...voters.slice(first), ...voters.slice(0, first)];
    return turned.slice(wanted).map((id) => ({ op: "remove", id }));
  }
  const added = new Set(learners);
  while (added.size < wanted - voters.length) {
    const id = spare();
    if (id === null || added.has(id)) break;
    added.add(id);
  }
  return [...added].slice(0, wanted - voters.length).map((id) => ({ op: "voter", id }));
};

const SIZES: Readonly<Record<number, readonly number[]>> = { 1: [3], 3: [5, 1], 5: [3] };

const hasSeat = ({ voters }: ConfState): boolean => voters.length < VOTERS_MAX;

const WISHES: readonly Wish[] = [
  ...[addLearner, addLearner, addVoter, promote, promote, promote, demote],
  ...[remove, removeLeader, replace, resize, resize],
];

/** Some change of membership; empty where the one that came to mind is not possible now. */
export const someWish: Wish = (wishing) => wishing.random.pick(WISHES)(wishing);
