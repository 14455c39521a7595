import type { PeerId } from "../../../engine/lib/ids.ts";
import type { Fault } from "../fault.ts";
import type { Nature } from "../nemesis.ts";
import type { NetworkFaults } from "./network-faults.ts";

const LOSSES = ["cut", "kill", "power", "freeze", "wake-and-cut", "wake-and-cut"] as const;
/** Shorter than a lease, so that its tasks live, and long enough to mistake an old answer for new. */
const NAP_MILLIS = [600, 1_300] as const;
/** A leader cut off: it does not know, another is elected, and calls the first one lost. */
const LEADER_OUTAGE_MILLIS = [5_000, 6_500] as const;
/** Beyond the end of most runs: then it thaws into the calm. */
const LONG_FREEZE_MILLIS = [3_000, 60_000] as const;
const STORM_MAX = 8;

/** Processes that die, in every way there is, and processes that stand still. */
export class ProcessFaults {
  readonly #nature: Nature;
  readonly #network: NetworkFaults;

  constructor(nature: Nature, network: NetworkFaults) {
    this.#nature = nature;
    this.#network = network;
  }

  strike(
    fault: Extract<
      Fault,
      | ("kill" | "power" | "power-all" | "die-mid-turn" | "freeze" | "freeze-long" | "storm")
      | ("lose-node" | "lose-leader")
    >,
    victim: PeerId,
  ): void {
    const { cluster, random, outageMillis } = this.#nature;
    switch (fault) {
      case "kill":
        this.crash(victim, "process");
        return;
      case "power":
        this.crash(victim, "machine");
        return;
      case "power-all":
        for (const peer of cluster.peers) this.crash(peer, "machine");
        return;
      case "die-mid-turn":
        cluster.process(victim)?.dieInPortCall(1 + random.below(12));
        return;
      case "freeze":
        this.#freeze(victim, outageMillis());
        return;
      case "freeze-long":
        this.#freeze(victim, random.between(...LONG_FREEZE_MILLIS));
        return;
      case "storm":
        this.#storm(victim, 2 + random.below(STORM_MAX));
        return;
      case "lose-node":
        this.#lose(victim);
        return;
      case "lose-leader":
        this.#network.isolate(cluster.leader() ?? victim, random.between(...LEADER_OUTAGE_MILLIS));
        return;
    }
  }

  crash(victim: PeerId, what: "process" | "machine"): void {
    this.die(victim, what);
    this.restartLater(victim);
  }

  die(victim: PeerId, what: "process" | "machine"): void {
    if (what === "machine") this.#nature.options.act("kill-host", victim);
    this.#nature.cluster.crash(victim, what);
  }

  /** Often at once, before anybody has noticed. */
  restartLater(victim: PeerId): void {
    const { cluster, random, later, outageMillis } = this.#nature;
    later(random.chance(0.25) ? 5 : outageMillis(), () => cluster.start(victim));
  }

  #freeze(victim: PeerId, millis: number): void {
    const { cluster, later } = this.#nature;
    const process = cluster.process(victim);
    process?.freeze();
    later(millis, () => process?.thaw());
  }

  /** Dies again soon after every start. */
  #storm(victim: PeerId, left: number): void {
    const { cluster, random, later } = this.#nature;
    cluster.crash(victim, random.chance(0.5) ? "process" : "machine");
    later(random.between(1, 150), () => {
      cluster.start(victim);
      if (left > 1) later(random.between(1, 200), () => this.#storm(victim, left - 1));
    });
  }

  /** Silent for so long that the leader calls it lost; its tasks may live on, fenced. */
  #lose(victim: PeerId): void {
    const { cluster, random, options, later } = this.#nature;
    const leader = cluster.leader();
    const others = cluster.peers.filter((peer) => peer !== leader);
    const lost = victim === leader ? random.pick(others) : victim;
    const millis = random.between(...options.longOutageMillis);
    const process = cluster.process(lost);
    switch (random.pick(LOSSES)) {
      case "cut":
        this.#network.isolate(lost, millis);
        break;
      case "kill":
        this.die(lost, "process");
        break;
      case "power":
        this.die(lost, "machine");
        break;
      case "freeze":
        process?.freeze();
        break;
      case "wake-and-cut":
        this.#wakeAndCut(lost, millis);
        break;
    }
    later(millis, () => {
      process?.thaw();
      cluster.start(lost);
      // It comes back to a log that has moved on, and may be slow to read it.
      if (random.chance(0.4)) {
        cluster.observer.members[lost - 1]?.disk.stall(random.between(50, 2_000));
      }
    });
  }

  /** It wakes to an answer that came long ago, and then hears no more. */
  #wakeAndCut(victim: PeerId, millis: number): void {
    const { cluster, random, later } = this.#nature;
    const process = cluster.process(victim);
    process?.afterNextBeat(() => {
      later(0, () => {
        process.freeze();
        later(random.between(...NAP_MILLIS), () => {
          this.#network.isolate(victim, millis);
          process.thaw();
        });
      });
    });
  }
}
