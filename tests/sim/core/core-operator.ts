import type { PeerId } from "../../../engine/lib/ids.ts";
import { allMembers, applyConfChange, isJoint } from "../../../engine/raft/conf.ts";
import { confAfter } from "../../../engine/raft/conf-after.ts";
import { encodeConfChange } from "../../../engine/raft/conf-codec.ts";
import type { ConfChange, ConfOp, ConfState } from "../../../engine/raft/types.ts";
import type { Member, Membership } from "../checker.ts";
import type { SimCluster } from "../cluster.ts";
import type { SimRandom } from "../world/sim-random.ts";
import { decodeStores, encodeStores, filler } from "./commands.ts";
import type { CoreDriver } from "./core-driver.ts";
import { MEMBERS_MAX, someWish } from "./core-wishes.ts";

const IN_CALM_MILLIS = 150;

export type CoreOperatorOptions = {
  readonly cluster: SimCluster<CoreDriver>;
  readonly random: SimRandom;
  /** Null: changes nothing, except what must be repaired. */
  readonly changeMillisMax: number | null;
  /** A machine with an empty disk, running. */
  readonly addMachine: () => Member;
};

/**
 * Who adds, promotes, demotes and removes members, one change after the other and sometimes two at
 * once; who replaces a voter that lost its disk by a machine with another id, and brings removed
 * ones back, wiped or not.
 */
export class CoreOperator {
  readonly #options: CoreOperatorOptions;
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #random: SimRandom;
  /** Members of the newest configuration under which a later entry is known to have committed. */
  #settled: readonly PeerId[] | null = null;
  #isCalm = false;

  constructor(options: CoreOperatorOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#random = options.random;
  }

  start(): void {
    this.#later();
  }

  /** From now on only what has to be: joint configurations are left, lost voters removed. */
  calm(): void {
    this.#isCalm = true;
  }

  /** Removes that `peer` can bear to lose its disk: every half that it votes in keeps a quorum. */
  canLose(victims: readonly PeerId[]): boolean {
    const { members } = this.#cluster.observer;
    return this.#configurations().every((conf) => {
      return [conf.voters, conf.votersOutgoing].every((half) => {
        const gone = half.filter((id) => victims.includes(id) || isUnwell(members, id));
        return !half.some((id) => victims.includes(id)) || gone.length * 2 < half.length;
      });
    });
  }

  /** False: disks were lost while a change was under way, and too few voters are well. */
  get hasQuorum(): boolean {
    const { members } = this.#cluster.observer;
    return this.#configurations().every((conf) => {
      return [conf.voters, conf.votersOutgoing].every((half) => {
        const unwell = half.filter((id) => isUnwell(members, id));
        return half.length === 0 || unwell.length * 2 < half.length;
      });
    });
  }

  /** In a configuration that is active somewhere, or may become so. */
  isMember(peer: PeerId): boolean {
    return this.#configurations().some((conf) => allMembers(conf).includes(peer));
  }

  #configurations(): readonly ConfState[] {
    const { observer } = this.#cluster;
    const inService = observer.members.filter(({ peerId }) => !this.#cluster.isRetired(peerId));
    return inService.flatMap(pendingOf);
  }

  #later(): void {
    const { changeMillisMax } = this.#options;
    const busy = this.#random.between(20, changeMillisMax ?? 1_000);
    this.#cluster.time.after(this.#isCalm ? IN_CALM_MILLIS : busy, () => {
      this.#act();
      this.#later();
    });
  }

  #act(): void {
    const leader = this.#cluster.leader();
    const status = leader === null ? null : (this.#cluster.driver(leader)?.status() ?? null);
    if (leader === null || status === null) return;
    this.#settle(leader, status.conf);
    const { conf } = status;
    const change = this.#repairOf(conf) ?? (this.#isQuiet ? null : this.#wishFor(conf, leader));
    if (change === null) return;
    this.#propose(leader, conf, change);
    // The second must be refused while the first is not committed.
    if (this.#random.chance(0.2)) this.#propose(leader, conf, change);
  }

  get #isQuiet(): boolean {
    return this.#isCalm || this.#options.changeMillisMax === null;
  }

  #propose(leader: PeerId, conf: ConfState, change: ConfChange): void {
    const { observer } = this.#cluster;
    const { coverage } = observer;
    this.#cluster.within(leader, (driver) => {
      if (!this.#standsForStores(change)) return;
      const result = driver.proposeConf(change);
      if (result?.ok === false) coverage.refusedConfs += 1;
      if (!result?.ok) return;
      observer.say(() => `operator: ${describeChange(change)}`);
      this.#countChange(change, conf, leader);
    });
  }

  #countChange(change: ConfChange, conf: ConfState, leader: PeerId): void {
    const { coverage } = this.#cluster.observer;
    coverage.confChanges += 1;
    if (change.transition !== "auto" || change.changes.length > 1) coverage.joints += 1;
    if (change.transition === "explicit") coverage.explicitJoints += 1;
    for (const op of change.changes) this.#count(op, conf, leader);
  }

  /** A frozen leader is asked when it thaws: by then whom to add may have lost its disk. */
  #standsForStores({ context }: ConfChange): boolean {
    const { members } = this.#cluster.observer;
    return decodeStores(context).every(([id, store]) => members[id - 1]?.store === store);
  }

  #count({ op, id }: ConfOp, conf: ConfState, leader: PeerId): void {
    const { coverage, members } = this.#cluster.observer;
    const isNew = op !== "remove" && !allMembers(conf).includes(id);
    if (op === "remove") coverage.removals += 1;
    if (op === "remove" && id === leader) coverage.removedLeaders += 1;
    if (op === "voter" && conf.learners.includes(id)) coverage.promotions += 1;
    if (isNew && (members[id - 1]?.life ?? 0) > 1) coverage.readmissions += 1;
  }

  /** Contract 18: a removal is done once a later entry has committed under what remains. */
  #settle(leader: PeerId, conf: ConfState): void {
    this.#cluster.within(leader, (driver) => {
      driver.propose(filler(0, this.#random), (answer) => {
        if (answer.kind !== "done") return;
        this.#settled = allMembers(conf);
        this.#dismiss(conf);
      });
    });
  }

  /** Whom nobody needs any more: stopped, left running, or wiped to come back. */
  #dismiss(conf: ConfState): void {
    const { observer } = this.#cluster;
    for (const peer of this.#outside(conf)) {
      const member = observer.members[peer - 1];
      if (member === undefined || !wasMember(member)) continue;
      if (member.isLost || this.#random.chance(0.05)) this.#cluster.retire(peer);
      else if (!this.#isCalm && this.#random.chance(0.1)) this.#wipe(member);
    }
  }

  #wipe({ peerId }: Member): void {
    this.#cluster.crash(peerId, "machine");
    this.#cluster.observer.wiped(peerId, false);
    this.#cluster.start(peerId);
  }

  /** In service, and in no configuration that anybody may still go back to. */
  #outside(conf: ConfState): readonly PeerId[] {
    const members = new Set([...allMembers(conf), ...(this.#settled ?? allMembers(conf))]);
    for (const known of this.#configurations()) for (const id of allMembers(known)) members.add(id);
    return this.#cluster.peers.filter((peer) => !members.has(peer));
  }

  /** What must not stay as it is; null = nothing. */
  #repairOf(conf: ConfState): ConfChange | null {
    const { members } = this.#cluster.observer;
    if (isJoint(conf)) {
      const isDue = !conf.autoLeave && (this.#isCalm || this.#random.chance(0.4));
      return isDue ? LEAVE : null;
    }
    const lost = allMembers(conf).find((id) => members[id - 1]?.isLost);
    if (lost === undefined || !(this.#isCalm || this.#random.chance(0.3))) return null;
    const remove: ConfOp = { op: "remove", id: lost };
    const spare = this.#spare(conf);
    const isReplaced = conf.voters.length < 3 || this.#random.chance(0.5);
    return this.#legal(conf, [
      remove,
      ...(isReplaced && spare !== null ? [{ op: "voter", id: spare } as const] : []),
    ]);
  }

  #wishFor(conf: ConfState, leader: PeerId): ConfChange | null {
    if (isJoint(conf)) return null;
    const spare = (): PeerId | null => this.#spare(conf);
    return this.#legal(conf, someWish({ conf, random: this.#random, leader, spare }));
  }

  /** Null unless every half keeps a quorum of those who are well. */
  #legal(conf: ConfState, changes: readonly ConfOp[]): ConfChange | null {
    const { members } = this.#cluster.observer;
    const transition = this.#random.pick(TRANSITIONS);
    const added = changes.flatMap(({ op, id }) => (op === "remove" ? [] : [id]));
    const stores = added.map((id) => [id, members[id - 1]?.store ?? 1] as const);
    const change = { changes, transition, context: encodeStores(stores) };
    const next = applyConfChange(conf, change);
    if (changes.length === 0 || next === null) return null;
    const isSafe = [next.voters, next.votersOutgoing].every((half) => {
      const unwell = half.filter((id) => isUnwell(members, id));
      return half.length === 0 || unwell.length * 2 < half.length;
    });
    return isSafe ? change : null;
  }

  #spare(conf: ConfState): PeerId | null {
    const known = this.#outside(conf).filter((id) => !this.#isLost(id));
    if (known.length > 0 && this.#random.chance(0.8)) return this.#random.pick(known);
    return this.#mayAddMachine() ? this.#options.addMachine().peerId : null;
  }

  #isLost(id: PeerId): boolean {
    return this.#cluster.observer.members[id - 1]?.isLost ?? false;
  }

  #mayAddMachine(): boolean {
    return this.#cluster.peers.length < MEMBERS_MAX + 1;
  }
}

const TRANSITIONS = ["auto", "auto", "implicit", "explicit"] as const;
const LEAVE: ConfChange = { changes: [], transition: "auto", context: new Uint8Array(0) };

/** A core may hold its log for damaged longer than its disk does: until it has caught up. */
const isUnwell = (members: Membership, id: PeerId): boolean => {
  const member = members[id - 1];
  if (member === undefined || member.isLost || member.disk.isDamaged) return true;
  return member.status?.damaged === true;
};

const wasMember = ({ disk }: Member): boolean => disk.durable.snapshot !== null;

/** What a node's log says the members are: every stage of it that may be or become active. */
function configurationsOf({ disk: { written } }: Member): readonly ConfState[] {
  let conf = written.snapshot?.conf;
  if (conf === undefined) return [];
  const all = [conf];
  for (const entry of written.confEntries()) {
    conf = confAfter(conf, entry);
    all.push(conf);
  }
  return all;
}

/** The newest two: the last of the log may not be committed. */
const pendingOf = (member: Member): readonly ConfState[] => configurationsOf(member).slice(-2);

function describeChange(change: ConfChange): string {
  if (encodeConfChange(change).length === 0) return "leave";
  return `${change.changes.map(({ op, id }) => `${op} ${id}`).join(", ")} (${change.transition})`;
}
