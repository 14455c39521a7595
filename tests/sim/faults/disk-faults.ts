import type { PeerId } from "../../../engine/lib/ids.ts";
import type { DiskFault } from "../fault.ts";
import type { Nature } from "../nemesis.ts";
import type { ProcessFaults } from "./process-faults.ts";

const LOST_ENTRIES_MAX = 12;

/** Disks that are slow, full or broken, that lose durable entries, or everything. */
export class DiskFaults {
  readonly #nature: Nature;
  readonly #process: ProcessFaults;

  constructor(nature: Nature, process: ProcessFaults) {
    this.#nature = nature;
    this.#process = process;
  }

  strike(fault: DiskFault, victim: PeerId): void {
    const { cluster, random, options } = this.#nature;
    const disk = cluster.observer.members[victim - 1]?.disk;
    switch (fault) {
      case "stall":
        disk?.stall(random.between(50, 2_000));
        return;
      case "disk-error":
      case "disk-full":
        disk?.failNextSync(fault === "disk-full" ? "full" : "io");
        return;
      case "damage":
        this.#process.crash(victim, "machine");
        if (options.canLose([victim])) this.#damage(victim);
        return;
      case "damage-minority": {
        const victims = this.#minority(victim);
        for (const peer of victims) this.#process.crash(peer, "machine");
        if (options.canLose(victims)) for (const peer of victims) this.#damage(peer);
        return;
      }
      case "wipe":
        options.act(fault, victim);
        return;
    }
  }

  #minority(victim: PeerId): readonly PeerId[] {
    const { cluster, random } = this.#nature;
    const others = cluster.peers.filter((peer) => peer !== victim);
    return others.length < 4 ? [victim] : [victim, random.pick(others)];
  }

  /** One record does not match its checksum any more: all from there on is gone. */
  #damage(victim: PeerId): void {
    const { cluster, random } = this.#nature;
    const { members, coverage } = cluster.observer;
    members[victim - 1]?.disk.damage(1 + random.below(LOST_ENTRIES_MAX));
    coverage.damaged += 1;
  }
}
