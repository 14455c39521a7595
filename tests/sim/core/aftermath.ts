import type { PeerId } from "../../../engine/lib/ids.ts";
import { allMembers, isJoint } from "../../../engine/raft/conf.ts";
import type { Status } from "../../../engine/raft/types.ts";
import { type Member, must } from "../checker.ts";
import type { SimCluster } from "../cluster.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreDriver } from "./core-driver.ts";

const STEP_MILLIS = 200;
const FLAPS = 6;
const FLAP_MILLIS = [50, 600] as const;
/** Terms that may begin while a quorum is healthy and connected. */
const NEW_TERMS_MAX = 0;
const STEADY_ATTEMPTS_MAX = 5;
const REST_MILLIS_MAX = 90_000;

type SteadyTiming = {
  /** How late a packet from before the calm may come: on a stream it holds up all after it. */
  readonly latestMillis: number;
  /** The longest election timeout of any node, but for its random part. */
  readonly electionMillis: number;
};

/** What must hold once the faults are over. (Properties 17, 19 and 20) */
export class Aftermath {
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #random: SimRandom;

  constructor(cluster: SimCluster<CoreDriver>, random: SimRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Somebody leads before `deadline`. */
  mustElect(deadline: number): void {
    const { time } = this.#cluster;
    const healedAt = time.now;
    while (this.#leader() === null && time.now < deadline) time.runUntil(time.now + STEP_MILLIS);
    must(this.#leader() !== null, "a leader soon", () => {
      return `nobody leads ${time.now - healedAt} ms after the last fault`;
    });
  }

  /**
   * Empty when one member leads, no change of membership is left half done, something of the
   * leader's term is committed, and every member has it but for `lagMax` entries.
   */
  trouble(lagMax: number): string {
    const { members } = this.#cluster.observer;
    const leaders = members.filter(({ status }) => status?.role === "leader");
    const leader = leaders[0];
    const status = leader?.status;
    if (leader === undefined || leaders.length > 1) return `${leaders.length} nodes lead`;
    if (status === null || status === undefined) return "the leader is not there";
    const { term, commit, conf } = status;
    if (leader.disk.written.termAt(commit) !== term) return `nothing of term ${term} is committed`;
    const newer = members.find((each) => (each.status?.term ?? 0) > term);
    if (newer !== undefined) return `${newer.nodeId} knows a later term than ${term}`;
    if (isJoint(conf)) return "the configuration is joint";
    const lost = this.#membersOf(status).find(({ isLost }) => isLost);
    if (lost !== undefined) return `${lost.nodeId}, which lost its disk, is still a member`;
    const late = this.#membersOf(status).find((each) => {
      return commit - (each.status?.applied ?? 0) > lagMax;
    });
    return late === undefined ? "" : `${late.nodeId} has applied ${late.status?.applied}`;
  }

  /**
   * A follower that comes and goes, and whoever was removed or wiped, start no election: a quorum
   * hears its leader all the time. Nothing where there are not enough voters to spare one.
   */
  mustNotDisrupt(timing: SteadyTiming): void {
    const leader = this.#steadyLeader(timing);
    const victim = leader === null ? null : this.#spareVoter(leader);
    if (leader === null || victim === null) return;
    const { time, observer } = this.#cluster;
    for (let flap = 0; flap < FLAPS; flap++) {
      this.#cutOff(victim);
      time.runUntil(time.now + 3 * this.#random.between(...FLAP_MILLIS));
      this.#cluster.network.heal();
      time.runUntil(time.now + this.#random.between(...FLAP_MILLIS));
    }
    observer.coverage.disturbances += 1;
    const terms = (this.#leader()?.term ?? Number.POSITIVE_INFINITY) - leader.term;
    must(terms <= NEW_TERMS_MAX, "bounded disruption", () => {
      return `n${victim} alone, coming and going, made ${terms} terms begin after ${leader.term}`;
    });
  }

  /**
   * Only now does a quorum hear its leader: packets that were late when the faults ended have come,
   * and the leader has counted who answers since. Without a disturbance it must soon be steady.
   */
  #steadyLeader({ latestMillis, electionMillis }: SteadyTiming): Status | null {
    const { time } = this.#cluster;
    time.runUntil(time.now + latestMillis);
    for (let attempt = 0; attempt < STEADY_ATTEMPTS_MAX; attempt++) {
      const before = this.#leader()?.term;
      time.runUntil(time.now + 2 * electionMillis);
      const leader = this.#leader();
      if (leader !== null && leader.term === before) return leader;
    }
    must(false, "bounded disruption", () => "in a calm cluster no leader stays");
    return null;
  }

  #cutOff(victim: PeerId): void {
    const { network, peers } = this.#cluster;
    const isOneWay = this.#random.chance(0.3);
    for (const peer of peers.filter((other) => other !== victim)) {
      network.cut(peer, victim);
      if (!isOneWay) network.cut(victim, peer);
    }
  }

  /** Nothing is under way any more, nobody waits, and everybody has the same state. */
  mustComeToRest(): void {
    const { time } = this.#cluster;
    const end = time.now + REST_MILLIS_MAX;
    while (this.#unrest() !== "" && time.now < end) time.runUntil(time.now + STEP_MILLIS);
    must(this.#unrest() === "", "bounded resources", () => `in a silent cluster ${this.#unrest()}`);
  }

  #unrest(): string {
    const trouble = this.trouble(0);
    const leader = this.#leader();
    if (trouble !== "" || leader === null) return trouble;
    if (leader.uncommittedBytes !== 0) return `${leader.uncommittedBytes} bytes are not committed`;
    for (const { id, state, inflight, inflightBytes, match } of leader.progress) {
      if (inflight !== 0 || inflightBytes !== 0) return `${inflight} messages to n${id} are open`;
      if (state !== "replicate" || match < leader.commit) return `n${id} is in ${state}`;
    }
    const drivers = this.#membersOf(leader).map(({ peerId }) => this.#cluster.driver(peerId));
    if (drivers.some((driver) => driver !== null && driver.waiting > 0)) return "somebody waits";
    const hashes = new Set(drivers.map((driver) => driver?.state?.hash()));
    return hashes.size === 1 ? "" : "members disagree";
  }

  #spareVoter({ conf, id }: Status): PeerId | null {
    const spare = conf.voters.filter((voter) => voter !== id);
    return conf.voters.length < 3 ? null : this.#random.pick(spare);
  }

  #membersOf({ conf }: Status): readonly Member[] {
    const { members } = this.#cluster.observer;
    return allMembers(conf).flatMap((id) => members[id - 1] ?? []);
  }

  #leader(): Status | null {
    const leader = this.#cluster.leader();
    const { members } = this.#cluster.observer;
    return leader === null ? null : (members[leader - 1]?.status ?? null);
  }
}
