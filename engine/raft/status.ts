import { following, type Index, type PeerId } from "../lib/ids.ts";
import { isVoter } from "./conf.ts";
import type { Core } from "./core.ts";
import { applyLag } from "./follower.ts";
import { isDiskStalled } from "./persist.ts";
import { ZERO } from "./positions.ts";
import type { Progress } from "./progress.ts";
import type { ProgressView, Status } from "./types.ts";

/** A picture for people and metrics; the leader lists every member, itself included. */
export function statusOf(core: Core): Status {
  return {
    id: core.id,
    role: core.role,
    leader: core.leader,
    term: core.term,
    votedFor: core.votedFor,
    commit: core.commit,
    applied: core.applied,
    durable: core.log.durable,
    firstIndex: core.log.firstIndex,
    lastIndex: core.log.lastIndex,
    snapshotIndex: core.snapshot?.index ?? ZERO,
    diskStalled: isDiskStalled(core),
    conf: core.conf,
    transferee: core.transfer.target,
    damaged: core.damage !== null,
    uncommittedBytes: core.uncommittedBytes,
    progress: core.role === "leader" ? progressViews(core) : [],
  };
}

function progressViews(core: Core): readonly ProgressView[] {
  const views = [ownView(core)];
  for (const member of core.progress.values()) views.push(memberView(core, member));
  return views.sort((left, right) => left.id - right.id);
}

const memberView = (core: Core, member: Progress): ProgressView => ({
  id: member.id,
  state: member.state,
  match: member.match,
  next: member.next,
  inflight: member.inflight.length,
  inflightBytes: member.inflightBytes,
  active: member.active || member.wasActive,
  learner: member.learner,
  session: member.session,
  lag: lagOf(core, member),
});

/** Entries committed by the leader that the member has not applied, as far as is known. */
const lagOf = (core: Core, member: Progress): number =>
  Math.max(0, core.commit - member.match) + member.lag;

function ownView(core: Core): ProgressView {
  const id: PeerId = core.id;
  const match: Index = core.log.durable;
  return {
    id,
    state: "replicate",
    match,
    next: following(core.log.lastIndex),
    inflight: 0,
    inflightBytes: 0,
    active: true,
    learner: !isVoter(core.conf, id),
    session: 0,
    lag: applyLag(core),
  };
}
