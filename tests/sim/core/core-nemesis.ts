import type { PeerId } from "../../../engine/lib/ids.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreSimulation } from "./core-simulation.ts";

type Fault =
  | "kill"
  | "power"
  | "die-mid-turn"
  | "freeze"
  | "isolate"
  | "split"
  | "one-way"
  | "stall"
  | "transfer"
  | "kill-all";

const FAULTS: readonly Fault[] = [
  "kill",
  "power",
  "die-mid-turn",
  "freeze",
  "isolate",
  "split",
  "one-way",
  "stall",
  "transfer",
  "kill-all",
];

/** Swarm testing: every seed enables a random part of the menu, so that faults also come alone. */
export class CoreNemesis {
  readonly #world: CoreSimulation;
  readonly #random: SimRandom;
  readonly #menu: readonly Fault[];
  #isOver = false;

  constructor(world: CoreSimulation, random: SimRandom) {
    this.#world = world;
    this.#random = random;
    const menu = FAULTS.filter(() => random.chance(0.6));
    this.#menu = menu.length === 0 ? FAULTS : menu;
  }

  start(): void {
    this.#strikeLater();
  }

  /** Everything is repaired: what is broken from now on is a bug. */
  stop(): void {
    this.#isOver = true;
    this.#world.network.calm();
    for (const { disk } of this.#world.observer.members) disk.calm();
    for (const { peerId, process } of this.#world.nodes) {
      process?.dieInPortCall(0);
      process?.thaw();
      this.#world.start(peerId);
    }
  }

  /** Often at once, before anybody has noticed. */
  restartLater(victim: PeerId): void {
    const millis = this.#random.chance(0.3) ? 5 : this.#random.between(50, 2_500);
    this.#later(millis, () => this.#world.start(victim));
  }

  #strikeLater(): void {
    this.#world.time.after(this.#random.between(50, 1_500), () => {
      if (this.#isOver) return;
      this.#strike(this.#random.pick(this.#menu));
      this.#strikeLater();
    });
  }

  #strike(fault: Fault): void {
    const victim = this.#victim();
    this.#world.observer.say(() => `nemesis: ${fault} n${victim}`);
    switch (fault) {
      case "kill":
        this.#kill(victim, "process");
        return;
      case "power":
        this.#kill(victim, "machine");
        return;
      case "die-mid-turn":
        this.#process(victim)?.dieInPortCall(1 + this.#random.below(12));
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
        this.#world.observer.members[victim - 1]?.disk.stall(this.#random.between(50, 2_000));
        return;
      case "transfer":
        this.#transfer(victim);
        return;
      case "kill-all":
        for (const { peerId } of this.#world.nodes) {
          this.#kill(peerId, "machine");
        }
        return;
    }
  }

  #kill(victim: PeerId, what: "process" | "machine"): void {
    this.#world.crash(victim, what);
    this.restartLater(victim);
  }

  #freeze(victim: PeerId): void {
    const process = this.#process(victim);
    process?.freeze();
    this.#later(this.#random.between(50, 3_000), () => process?.thaw());
  }

  #cut(how: "isolate" | "split" | "one-way", victim: PeerId): void {
    const { network, nodes } = this.#world;
    const peers = nodes.map(({ peerId }) => peerId);
    const inside = new Set([
      victim,
      ...(how === "split" ? peers.filter(() => this.#random.chance(0.4)) : []),
    ]);
    const outside = peers.filter((peer) => !inside.has(peer));
    for (const a of inside) {
      for (const b of outside) {
        network.cut(a, b);
        if (how !== "one-way") network.cut(b, a);
      }
    }
    this.#later(this.#random.between(100, 3_000), () => network.heal());
  }

  #transfer(to: PeerId): void {
    for (const { process, driver } of this.#world.nodes) {
      if (driver?.raft?.status().role === "leader") process?.run(() => driver.transfer(to));
    }
  }

  /** Leaders more often than chance would have it: that is where state is made. */
  #victim(): PeerId {
    const { nodes, observer } = this.#world;
    const leader = observer.members.find(({ status }) => status?.role === "leader");
    if (leader !== undefined && this.#random.chance(0.5)) return leader.peerId;
    return this.#random.pick(nodes).peerId;
  }

  #process(peerId: PeerId) {
    return this.#world.nodes[peerId - 1]?.process;
  }

  #later(millis: number, act: () => void): void {
    this.#world.time.after(millis, () => {
      if (!this.#isOver) act();
    });
  }
}
