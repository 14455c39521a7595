import type { PeerId } from "../../engine/lib/ids.ts";
import type { Status } from "../../engine/raft/types.ts";
import type { Member } from "./checker.ts";
import type { Observer } from "./observer.ts";
import type { SimNetwork } from "./world/network.ts";
import { SimProcess } from "./world/sim-process.ts";
import type { VirtualTime } from "./world/virtual-time.ts";

/** What runs inside one life of a node's process. */
export type Driver = {
  /** Raft's status; null before it has booted, and when Raft had no turn since it was last asked. */
  news(): Status | null;
};

type Slot<D> = {
  readonly member: Member;
  retired: boolean;
  process: SimProcess | null;
  driver: D | null;
};

/** The nodes' processes: started, killed, frozen, and watched after everything they do. */
export class SimCluster<D extends Driver> {
  readonly time: VirtualTime;
  readonly observer: Observer;
  readonly network: SimNetwork;
  readonly #boot: (member: Member, process: SimProcess) => D;
  readonly #slots: Slot<D>[] = [];
  /** Called when a process died in the middle of its own turn. */
  onSuicide: (peer: PeerId) => void = () => {};

  constructor(options: {
    readonly time: VirtualTime;
    readonly observer: Observer;
    readonly network: SimNetwork;
    readonly boot: (member: Member, process: SimProcess) => D;
  }) {
    this.time = options.time;
    this.observer = options.observer;
    this.network = options.network;
    this.#boot = options.boot;
    for (const member of options.observer.members) this.enlist(member);
  }

  /** Who is in service; retired nodes are not. */
  get peers(): readonly PeerId[] {
    return this.#slots.filter(({ retired }) => !retired).map(({ member }) => member.peerId);
  }

  enlist(member: Member): void {
    this.#slots.push({ member, retired: false, process: null, driver: null });
  }

  /** Gone for good: nobody starts it again. */
  retire(peer: PeerId): void {
    this.crash(peer, "process");
    this.#slot(peer).retired = true;
  }

  isRetired(peer: PeerId): boolean {
    return this.#slot(peer).retired;
  }

  process(peer: PeerId): SimProcess | null {
    return this.#slot(peer).process;
  }

  driver(peer: PeerId): D | null {
    return this.#slot(peer).driver;
  }

  /** Runs `turn` inside the process of that node, if it lives. */
  within(peer: PeerId, turn: (driver: D) => void): void {
    const { process, driver } = this.#slot(peer);
    if (driver !== null) process?.run(() => turn(driver));
  }

  leader(): PeerId | null {
    const leader = this.observer.members.find(({ status }) => status?.role === "leader");
    return leader?.peerId ?? null;
  }

  start(peer: PeerId): void {
    const slot = this.#slot(peer);
    if (slot.process !== null || slot.retired) return;
    const process: SimProcess = new SimProcess({
      time: this.time,
      afterTurn: () => {
        if (slot.process !== process) return;
        const status = slot.driver?.news() ?? null;
        if (status !== null) this.observer.turned(peer, status);
      },
      onSuicide: () => {
        this.crash(peer, "process");
        this.onSuicide(peer);
      },
    });
    slot.process = process;
    this.observer.booted(peer);
    slot.driver = this.#boot(slot.member, process);
  }

  crash(peer: PeerId, what: "process" | "machine"): void {
    const slot = this.#slot(peer);
    if (slot.process === null) return;
    slot.process.die();
    slot.process = null;
    slot.driver = null;
    this.network.detach(peer, what);
    this.observer.crashed(peer, what === "machine" ? "loses power" : "is killed");
  }

  #slot(peer: PeerId): Slot<D> {
    const slot = this.#slots[peer - 1];
    if (slot === undefined) throw new Error(`no node ${peer}`);
    return slot;
  }
}

export type AnyCluster = SimCluster<Driver>;
