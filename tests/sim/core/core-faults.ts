import type { PeerId } from "../../../engine/lib/ids.ts";
import type { SimCluster } from "../cluster.ts";
import type { Fault } from "../fault.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreDriver } from "./core-driver.ts";
import type { CoreOperator } from "./core-operator.ts";
import type { CoreTransfers } from "./core-transfers.ts";

export const CORE_MENU: readonly Fault[] = [
  ...(["kill", "power", "die-mid-turn", "freeze", "freeze-long", "power-all", "storm"] as const),
  ...(["isolate", "split", "one-way", "bridge", "flap", "slow-link", "cut-snapshots"] as const),
  ...(["stall", "damage", "damage-minority", "disk-error", "disk-full", "wipe"] as const),
  ...(["die-in-restore", "transfer", "transfer-and-crash", "campaign-all", "rolling"] as const),
];

/** What only the model of a disk can suffer, not a real store. */
export const MODEL_FAULTS: readonly Fault[] = ["damage", "damage-minority", "wipe"];

const ROLLING_MILLIS = 400;

/** What can go wrong with a Raft core beyond its process, network and disk. */
export class CoreFaults {
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #random: SimRandom;
  readonly #transfers: CoreTransfers;
  readonly #operator: CoreOperator;
  #diesInRestore = false;
  #isCalm = false;

  constructor(options: {
    readonly cluster: SimCluster<CoreDriver>;
    readonly random: SimRandom;
    readonly transfers: CoreTransfers;
    readonly operator: CoreOperator;
  }) {
    this.#cluster = options.cluster;
    this.#random = options.random;
    this.#transfers = options.transfers;
    this.#operator = options.operator;
  }

  /** Whoever dies from now on has a reason of its own. */
  calm(): void {
    this.#isCalm = true;
    this.#diesInRestore = false;
  }

  act(fault: Fault, victim: PeerId): void {
    switch (fault) {
      case "transfer":
        this.#transferTo(victim);
        return;
      case "transfer-and-crash":
        this.#transferAndCrash(victim);
        return;
      case "campaign-all":
        for (const peer of this.#cluster.peers) {
          this.#cluster.within(peer, (driver) => driver.input({ kind: "campaign" }));
        }
        return;
      case "cut-snapshots":
        this.#transfers.breakAll();
        return;
      case "die-in-restore":
        this.#diesInRestore = true;
        return;
      case "wipe":
        this.#wipe(victim);
        return;
      case "rolling":
        this.#rollingRestart(this.#cluster.peers);
        return;
      default:
        return;
    }
  }

  /** A node is about to swap its state machine. */
  onRestoring(peer: PeerId): void {
    if (!this.#diesInRestore) return;
    this.#diesInRestore = false;
    this.#cluster.observer.coverage.crashesInRestore += 1;
    this.#later(this.#random.between(0, 30), () => this.#restart(peer, 200));
  }

  /** Its disk has failed: the process exits, and is started again. */
  onHalted(peer: PeerId): void {
    this.#cluster.observer.coverage.diskFailures += 1;
    const process = this.#cluster.process(peer);
    this.#cluster.time.after(this.#random.between(0, 20), () => {
      if (this.#cluster.process(peer) === process) this.#restart(peer, 1_000);
    });
  }

  #later(millis: number, act: () => void): void {
    this.#cluster.time.after(millis, () => {
      if (!this.#isCalm) act();
    });
  }

  #restart(peer: PeerId, withinMillis: number): void {
    this.#cluster.crash(peer, "process");
    this.#cluster.time.after(this.#random.between(1, withinMillis), () => {
      this.#cluster.start(peer);
    });
  }

  #transferTo(to: PeerId): void {
    const leader = this.#cluster.leader();
    if (leader === null) return;
    this.#cluster.within(leader, (driver) => driver.input({ kind: "transfer", to }));
  }

  #transferAndCrash(to: PeerId): void {
    const victim = this.#random.chance(0.5) ? to : (this.#cluster.leader() ?? to);
    this.#transferTo(to);
    this.#later(this.#random.between(0, 60), () => this.#restart(victim, 2_000));
  }

  /** The machine comes back with an empty disk and the old id: nobody may take it for who it was. */
  #wipe(victim: PeerId): void {
    const { observer } = this.#cluster;
    const member = observer.members[victim - 1];
    if (member === undefined || member.isLost || !this.#operator.canLose([victim])) return;
    this.#cluster.crash(victim, "machine");
    observer.wiped(victim, this.#operator.isMember(victim));
    this.#cluster.time.after(this.#random.between(1, 1_000), () => this.#cluster.start(victim));
  }

  /** One after the other, the leader only after it has handed over. */
  #rollingRestart(peers: readonly PeerId[]): void {
    const [first, ...rest] = peers;
    if (first === undefined) return;
    if (this.#cluster.leader() === first && rest[0] !== undefined) this.#transferTo(rest[0]);
    this.#later(this.#random.between(1, 100), () => {
      this.#restart(first, 100);
      this.#later(ROLLING_MILLIS, () => this.#rollingRestart(rest));
    });
  }
}
