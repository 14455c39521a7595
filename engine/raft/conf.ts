import type { PeerId } from "../lib/ids.ts";
import type { ConfChange, ConfOp, ConfState } from "./types.ts";

export const EMPTY_CONF: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export const isJoint = (conf: ConfState): boolean => conf.votersOutgoing.length > 0;

/** While joint, voters of either half vote. */
export const isVoter = (conf: ConfState, id: PeerId): boolean =>
  conf.voters.includes(id) || conf.votersOutgoing.includes(id);

/** Voters and learners. */
export const isMember = (conf: ConfState, id: PeerId): boolean =>
  isVoter(conf, id) || conf.learners.includes(id);

/** Every voter once, in ascending order. */
export const allVoters = (conf: ConfState): readonly PeerId[] =>
  ascending(new Set([...conf.voters, ...conf.votersOutgoing]));

/** Everyone who receives entries, once, in ascending order. */
export const allMembers = (conf: ConfState): readonly PeerId[] =>
  ascending(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners]));

/** The change that ends a joint configuration. */
export const isLeave = (change: ConfChange): boolean =>
  change.changes.length === 0 && change.transition === "auto";

/**
 * The configuration after `change`, null when it cannot follow (thesis §4.3). More than one
 * operation, or an explicit wish, goes through a joint configuration.
 */
export function applyConfChange(conf: ConfState, change: ConfChange): ConfState | null {
  if (isLeave(change)) return isJoint(conf) ? leaveJoint(conf) : null;
  if (isJoint(conf)) return null;
  const isSimple = change.transition === "auto" && change.changes.length === 1;
  const next = isSimple ? applyOps(conf, change.changes) : enterJoint(conf, change);
  return next.voters.length === 0 ? null : next;
}

function enterJoint(conf: ConfState, change: ConfChange): ConfState {
  const joint = {
    ...conf,
    votersOutgoing: conf.voters,
    autoLeave: change.transition !== "explicit",
  };
  return applyOps(joint, change.changes);
}

const leaveJoint = (conf: ConfState): ConfState => ({
  voters: conf.voters,
  votersOutgoing: [],
  learners: ascending(new Set([...conf.learners, ...conf.learnersNext])),
  learnersNext: [],
  autoLeave: false,
});

const applyOps = (conf: ConfState, ops: readonly ConfOp[]): ConfState => ops.reduce(applyOp, conf);

function applyOp(conf: ConfState, { op, id }: ConfOp): ConfState {
  if (op === "learner" && conf.learners.includes(id)) return conf;
  const bare: ConfState = {
    ...conf,
    voters: without(conf.voters, id),
    learners: without(conf.learners, id),
    learnersNext: without(conf.learnersNext, id),
  };
  if (op === "remove") return bare;
  if (op === "voter") return { ...bare, voters: including(bare.voters, id) };
  // An outgoing voter still votes, so it becomes a learner only when the joint phase ends.
  return conf.votersOutgoing.includes(id)
    ? { ...bare, learnersNext: including(bare.learnersNext, id) }
    : { ...bare, learners: including(bare.learners, id) };
}

const without = (ids: readonly PeerId[], id: PeerId): readonly PeerId[] =>
  ids.filter((other) => other !== id);

const including = (ids: readonly PeerId[], id: PeerId): readonly PeerId[] =>
  ascending(new Set([...ids, id]));

const ascending = (ids: ReadonlySet<PeerId>): readonly PeerId[] =>
  [...ids].sort((left, right) => left - right);
