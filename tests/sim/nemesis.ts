import type { PeerId } from "../../engine/lib/ids.ts";
import type { AnyCluster } from "./cluster.ts";
import type { SimRandom } from "./world/sim-random.ts";

export type Fault =
  | "kill"
  | "power"
  | "die-mid-turn"
  | "freeze"
  | "isolate"
  | "split"
  | "one-way"
  | "stall"
  | "transfer"
  | "power-all"
  | "damage"
  | "lose-node"
  | "lose-leader"
  | "kill-host"
  | "drain"
  | "jump-clock";

export type NemesisOptions = {
  readonly cluster: AnyCluster;
  readonly random: SimRandom;
  readonly menu: readonly Fault[];
  /** Share of the menu that a seed enables. */
  readonly menuShare: number;
  readonly firstFaultMillis: readonly [number, number];
  readonly pauseMillisMax: number;
  /** Share of outages that last long enough for a node to be called lost, and how long they last. */
  readonly longOutageChance: number;
  readonly longOutageMillis: readonly [number, number];
  /** The faults that this world knows better than the nemesis does. */
  readonly act: (fault: Fault, victim: PeerId) => void;
};

const SHORT_OUTAGE_MILLIS = [50, 2_000] as const;
/** How long nothing else happens, so that one leader sees the silence of one node through. */
const QUIET_MILLIS: Partial<Record<Fault, number>> = { "lose-node": 3_600, "lose-leader": 5_500 };
const LOSSES = ["cut", "kill", "power", "freeze", "wake-and-cut", "wake-and-cut"] as const;
/** Shorter than a lease, so that its tasks live, and long enough to mistake an old answer for new. */
const NAP_MILLIS = [600, 1_300] as const;
/** A leader cut off: it does not know, another is elected, and calls the first one lost. */
const LEADER_OUTAGE_MILLIS = [5_000, 6_500] as const;

/** Swarm testing: every seed enables a random part of the menu, so that faults also come alone. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #cluster: AnyCluster;
  readonly #random: SimRandom;
  readonly #menu: readonly Fault[];
  #isOver = false;
  #cancelHeal: () => void = () => {};

  constructor(options: NemesisOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#random = options.random;
    const menu = options.menu.filter(() => options.random.chance(options.menuShare));
    this.#menu = menu.length === 0 ? options.menu : menu;
    options.cluster.onSuicide = (peer) => this.#restartLater(peer);
  }

  start(): void {
    this.#strikeAfter(this.#between(this.#options.firstFaultMillis));
  }

  #strikeAfter(millis: number): void {
    this.#cluster.time.after(millis, () => {
      if (this.#isOver) return;
      const [fault, victim] = [this.#random.pick(this.#menu), this.#victim()];
      this.#cluster.observer.say(() => `nemesis: ${fault} n${victim}`);
      this.#strike(fault, victim);
      const pause = this.#random.between(50, this.#options.pauseMillisMax);
      this.#strikeAfter((QUIET_MILLIS[fault] ?? 0) + pause);
    });
  }

  /** Everything is repaired: what is broken from now on is a bug. */
  stop(): void {
    this.#isOver = true;
    const { cluster } = this.#options;
    cluster.observer.say(() => "nemesis: calm");
    const victim = this.#victim();
    for (const peer of cluster.peers) {
      if (peer === victim || this.#random.chance(0.5)) cluster.crash(peer, "process");
    }
    cluster.network.calm();
    for (const { disk } of cluster.observer.members) disk.calm();
    for (const peer of cluster.peers) {
      cluster.process(peer)?.dieInPortCall(0);
      cluster.process(peer)?.thaw();
      cluster.start(peer);
    }
  }

  #strike(fault: Fault, victim: PeerId): void {
    const cluster = this.#cluster;
    switch (fault) {
      case "kill":
      case "power":
        this.#crash(victim, fault === "kill" ? "process" : "machine");
        return;
      case "die-mid-turn":
        cluster.process(victim)?.dieInPortCall(1 + this.#random.below(12));
        return;
      case "freeze":
        this.#freeze(victim);
        return;
      case "isolate":
      case "split":
      case "one-way":
        this.#cut(fault, victim);
        return;
      case "stall":
        cluster.observer.members[victim - 1]?.disk.stall(this.#random.between(50, 2_000));
        return;
      case "damage":
        this.#damage(victim);
        return;
      case "lose-node":
        this.#lose(victim);
        return;
      case "lose-leader":
        this.#cut("isolate", cluster.leader() ?? victim, this.#between(LEADER_OUTAGE_MILLIS));
        return;
      case "power-all":
        for (const peer of cluster.peers) this.#crash(peer, "machine");
        return;
      case "transfer":
      case "kill-host":
      case "drain":
      case "jump-clock":
        this.#options.act(fault, victim);
        return;
    }
  }

  /** Silent for so long that the leader calls it lost; its tasks may live on, fenced. */
  #lose(victim: PeerId): void {
    const leader = this.#cluster.leader();
    const others = this.#cluster.peers.filter((peer) => peer !== leader);
    const lost = victim === leader ? this.#random.pick(others) : victim;
    const millis = this.#between(this.#options.longOutageMillis);
    const process = this.#cluster.process(lost);
    switch (this.#random.pick(LOSSES)) {
      case "cut":
        this.#cut("isolate", lost, millis);
        break;
      case "kill":
        this.#die(lost, "process");
        break;
      case "power":
        this.#die(lost, "machine");
        break;
      case "freeze":
        process?.freeze();
        break;
      case "wake-and-cut":
        this.#wakeAndCut(lost, millis);
        break;
    }
    this.#later(millis, () => {
      process?.thaw();
      this.#cluster.start(lost);
      // It comes back to a log that has moved on, and may be slow to read it.
      if (this.#random.chance(0.4)) this.#strike("stall", lost);
    });
  }

  /** It wakes to an answer that came long ago, and then hears no more. */
  #wakeAndCut(victim: PeerId, millis: number): void {
    const process = this.#cluster.process(victim);
    process?.afterNextBeat(() => {
      if (this.#isOver) return;
      process.freeze();
      this.#later(this.#random.between(...NAP_MILLIS), () => {
        this.#cut("isolate", victim, millis);
        process.thaw();
      });
    });
  }

  /** One disk in a run: a majority of damaged ones waits for its operator, and rightly so. */
  #damage(victim: PeerId): void {
    const { members, coverage } = this.#cluster.observer;
    this.#crash(victim, "machine");
    if (coverage.damaged > 0) return;
    members[victim - 1]?.disk.damage(1 + this.#random.below(12));
    coverage.damaged += 1;
  }

  #crash(victim: PeerId, what: "process" | "machine"): void {
    this.#die(victim, what);
    this.#restartLater(victim);
  }

  #die(victim: PeerId, what: "process" | "machine"): void {
    if (what === "machine") this.#options.act("kill-host", victim);
    this.#cluster.crash(victim, what);
  }

  /** Often at once, before anybody has noticed. */
  #restartLater(victim: PeerId): void {
    const millis = this.#random.chance(0.25) ? 5 : this.#outageMillis();
    this.#later(millis, () => this.#cluster.start(victim));
  }

  #freeze(victim: PeerId): void {
    const process = this.#cluster.process(victim);
    process?.freeze();
    this.#later(this.#outageMillis(), () => process?.thaw());
  }

  #cut(how: "isolate" | "split" | "one-way", victim: PeerId, millis = this.#outageMillis()): void {
    const { network, peers } = this.#cluster;
    const inside = new Set([
      victim,
      ...(how === "split" ? peers.filter(() => this.#random.chance(0.4)) : []),
    ]);
    for (const a of inside) {
      for (const b of peers.filter((peer) => !inside.has(peer))) {
        network.cut(a, b);
        if (how !== "one-way") network.cut(b, a);
      }
    }
    this.#cancelHeal();
    this.#cancelHeal = this.#later(millis, () => network.heal());
  }

  /** Leaders more often than chance would have it: that is where state is made. */
  #victim(): PeerId {
    const leader = this.#cluster.leader();
    if (leader !== null && this.#random.chance(0.5)) return leader;
    return this.#random.pick(this.#cluster.peers);
  }

  #outageMillis(): number {
    const { longOutageChance, longOutageMillis } = this.#options;
    const isLong = this.#random.chance(longOutageChance);
    return this.#between(isLong ? longOutageMillis : SHORT_OUTAGE_MILLIS);
  }

  #between(range: readonly [number, number]): number {
    return this.#random.between(...range);
  }

  #later(millis: number, act: () => void): () => void {
    return this.#cluster.time.after(millis, () => {
      if (!this.#isOver) act();
    });
  }
}
