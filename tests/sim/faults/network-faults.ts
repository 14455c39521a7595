import type { PeerId } from "../../../engine/lib/ids.ts";
import type { NetworkFault } from "../fault.ts";
import type { Nature } from "../nemesis.ts";

const FLAPS_MAX = 12;
const FLAP_MILLIS_MAX = 400;
/** One megabit a second, or much less. */
const SLOW_BYTES_PER_MILLI = [5, 20, 125] as const;

/** Links that are cut, one way or both, for good or on and off, or that are slow. */
export class NetworkFaults {
  readonly #nature: Nature;
  #cancelHeal: () => void = () => {};

  constructor(nature: Nature) {
    this.#nature = nature;
  }

  strike(fault: Exclude<NetworkFault, "cut-snapshots">, victim: PeerId): void {
    const { cluster, random, outageMillis } = this.#nature;
    const others = cluster.peers.filter((peer) => peer !== victim);
    switch (fault) {
      case "isolate":
        this.isolate(victim, outageMillis());
        return;
      case "split": {
        const inside = [victim, ...others.filter(() => random.chance(0.4))];
        this.#cutOff(inside, "both");
        this.#healAfter(outageMillis());
        return;
      }
      case "one-way":
        this.#cutOff([victim], "out");
        this.#healAfter(outageMillis());
        return;
      case "bridge":
        this.#bridge(victim, others);
        this.#healAfter(outageMillis());
        return;
      case "flap":
        this.#flap(victim, 1 + random.below(FLAPS_MAX));
        return;
      case "slow-link": {
        const bytesPerMilli = random.pick(SLOW_BYTES_PER_MILLI);
        const far = others.length === 0 ? victim : random.pick(others);
        cluster.network.slow(victim, far, bytesPerMilli);
        cluster.network.slow(far, victim, bytesPerMilli);
        this.#healAfter(outageMillis());
        return;
      }
    }
  }

  isolate(victim: PeerId, millis: number): void {
    this.#cutOff([victim], "both");
    this.#healAfter(millis);
  }

  #cutOff(inside: readonly PeerId[], which: "both" | "out"): void {
    const { network, peers } = this.#nature.cluster;
    for (const a of inside) {
      for (const b of peers.filter((peer) => !inside.includes(peer))) {
        network.cut(a, b);
        if (which === "both") network.cut(b, a);
      }
    }
  }

  /** Two sides that only `middle` hears both of. */
  #bridge(middle: PeerId, others: readonly PeerId[]): void {
    const { network } = this.#nature.cluster;
    const left = others.filter((_, place) => place % 2 === 0);
    for (const a of left) {
      for (const b of others.filter((peer) => !left.includes(peer) && peer !== middle)) {
        network.cut(a, b);
        network.cut(b, a);
      }
    }
  }

  #flap(victim: PeerId, left: number): void {
    const { cluster, random, later } = this.#nature;
    const millis = (): number => random.between(10, FLAP_MILLIS_MAX);
    this.#cutOff([victim], random.chance(0.5) ? "both" : "out");
    this.#cancelHeal();
    this.#cancelHeal = later(millis(), () => {
      cluster.network.heal();
      if (left > 1) this.#cancelHeal = later(millis(), () => this.#flap(victim, left - 1));
    });
  }

  #healAfter(millis: number): void {
    this.#cancelHeal();
    this.#cancelHeal = this.#nature.later(millis, () => this.#nature.cluster.network.heal());
  }
}
