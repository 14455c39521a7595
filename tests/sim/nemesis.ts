import type { PeerId } from "../../engine/lib/ids.ts";
import type { AnyCluster } from "./cluster.ts";
import type { Fault } from "./fault.ts";
import { DiskFaults } from "./faults/disk-faults.ts";
import { NetworkFaults } from "./faults/network-faults.ts";
import { ProcessFaults } from "./faults/process-faults.ts";
import type { Limits } from "./run.ts";
import type { SimRandom } from "./world/sim-random.ts";

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
  /** Whether the cluster can bear that these nodes lose what is on their disks, all at once. */
  readonly canLose: (victims: readonly PeerId[]) => boolean;
  /** The faults that this world knows better than the nemesis does. */
  readonly act: (fault: Fault, victim: PeerId) => void;
  readonly limits: Limits;
};

/** What all faults have at hand. */
export type Nature = {
  readonly cluster: AnyCluster;
  readonly random: SimRandom;
  readonly options: NemesisOptions;
  /** Runs unless calm has come. */
  readonly later: (millis: number, act: () => void) => () => void;
  readonly outageMillis: () => number;
};

const SHORT_OUTAGE_MILLIS = [50, 2_000] as const;
/** How long nothing else happens, so that one leader sees the silence of one node through. */
const QUIET_MILLIS: Partial<Record<Fault, number>> = { "lose-node": 3_600, "lose-leader": 5_500 };

/** Swarm testing: every seed enables a random part of the menu, so that faults also come alone. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #cluster: AnyCluster;
  readonly #random: SimRandom;
  readonly #menu: readonly Fault[];
  readonly #process: ProcessFaults;
  readonly #network: NetworkFaults;
  readonly #disk: DiskFaults;
  #isOver = false;
  #strikes = 0;

  constructor(options: NemesisOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#random = options.random;
    const menu = options.menu.filter(() => options.random.chance(options.menuShare));
    this.#menu = menu.length === 0 ? options.menu : menu;
    const nature: Nature = {
      ...{ cluster: options.cluster, random: options.random, options },
      later: (millis, act) => this.#later(millis, act),
      outageMillis: () => this.#outageMillis(),
    };
    this.#network = new NetworkFaults(nature);
    this.#process = new ProcessFaults(nature, this.#network);
    this.#disk = new DiskFaults(nature, this.#process);
    options.cluster.onSuicide = (peer) => this.#process.restartLater(peer);
  }

  start(): void {
    this.#strikeAfter(this.#random.between(...this.#options.firstFaultMillis));
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

  #strikeAfter(millis: number): void {
    this.#cluster.time.after(millis, () => {
      if (this.#isOver) return;
      const [fault, victim] = [this.#random.pick(this.#menu), this.#victim()];
      this.#strike(fault, victim);
      const pause = this.#random.between(50, this.#options.pauseMillisMax);
      this.#strikeAfter((QUIET_MILLIS[fault] ?? 0) + pause);
    });
  }

  #strike(fault: Fault, victim: PeerId): void {
    const { observer } = this.#cluster;
    this.#strikes += 1;
    const { without, skip } = this.#options.limits;
    if (without.includes(fault) || skip.includes(this.#strikes)) return;
    observer.say(() => `nemesis ${this.#strikes}: ${fault} n${victim}`);
    observer.struck(this.#strikes, fault);
    this.#perform(fault, victim);
  }

  #perform(fault: Fault, victim: PeerId): void {
    switch (fault) {
      case "isolate":
      case "split":
      case "one-way":
      case "bridge":
      case "flap":
      case "slow-link":
        this.#network.strike(fault, victim);
        return;
      case "kill":
      case "power":
      case "power-all":
      case "die-mid-turn":
      case "freeze":
      case "freeze-long":
      case "storm":
      case "lose-node":
      case "lose-leader":
        this.#process.strike(fault, victim);
        return;
      case "stall":
      case "damage":
      case "damage-minority":
      case "disk-error":
      case "disk-full":
      case "wipe":
        this.#disk.strike(fault, victim);
        return;
      case "rolling":
      case "die-in-restore":
      case "cut-snapshots":
      case "transfer":
      case "transfer-and-crash":
      case "campaign-all":
      case "kill-host":
      case "drain":
      case "jump-clock":
        this.#options.act(fault, victim);
        return;
    }
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
    return this.#random.between(...(isLong ? longOutageMillis : SHORT_OUTAGE_MILLIS));
  }

  #later(millis: number, act: () => void): () => void {
    return this.#cluster.time.after(millis, () => {
      if (!this.#isOver) act();
    });
  }
}
