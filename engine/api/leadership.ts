import { NOBODY, type NodeId, type PeerId } from "../lib/ids.ts";
import type { Timers } from "../platform/timers.ts";
import type { Replica } from "../replica/replica.ts";
import type { NodeRecord } from "../state/cluster-state.ts";

/** Where a call that needs the leader has to go. */
export type LeaderRoute =
  | { readonly kind: "self" }
  | { readonly kind: "other"; readonly nodeId: NodeId; readonly address: string }
  | { readonly kind: "unknown" };

const SELF: LeaderRoute = { kind: "self" };
const UNKNOWN: LeaderRoute = { kind: "unknown" };

/**
 * Knows who leads, from the replica's role events: asking the replica for its status would build
 * the whole progress table on every call.
 */
export class Leadership {
  readonly #replica: Replica;
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();
  #version = 0;
  #leads = false;
  #leader: PeerId = NOBODY;
  #leaderNode: NodeRecord | undefined;

  constructor(replica: Replica, timers: Timers) {
    this.#replica = replica;
    this.#timers = timers;
    replica.listen({
      onRole: (event) => this.#learn(event.role === "leader", event.leader),
    });
  }

  /** Call it once the replica has started: what happened before is asked for. */
  start(): void {
    const status = this.#replica.status();
    this.#learn(status.role === "leader", status.leader);
  }

  get leads(): boolean {
    return this.#leads;
  }

  /** The node that leads, as far as this node knows; `undefined` = nobody, or not in the table. */
  leaderNode(): NodeRecord | undefined {
    if (this.#leader === NOBODY) return undefined;
    const nodes = this.#replica.view.nodes;
    const known = this.#leaderNode && nodes.get(this.#leaderNode.id);
    if (known?.peerId === this.#leader) return known;
    for (const node of nodes.values()) {
      if (node.peerId !== this.#leader) continue;
      this.#leaderNode = node;
      return node;
    }
    return undefined;
  }

  route(): LeaderRoute {
    if (this.#leads) return SELF;
    const node = this.leaderNode();
    if (node === undefined || node.rpcAddress === "") return UNKNOWN;
    return { kind: "other", nodeId: node.id, address: node.rpcAddress };
  }

  /** Grows with every change of role or leader. */
  get version(): number {
    return this.#version;
  }

  /** Calls back at every change of role or leader. Returns the cancellation. */
  listen(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /** Resolves once `version` is above `since`, at the latest after `withinMillis`. */
  changed(since: number, withinMillis: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#version > since) return resolve();
      const finish = (): void => {
        this.#waiting.delete(finish);
        cancel();
        resolve();
      };
      const cancel = this.#timers.after(withinMillis, finish);
      this.#waiting.add(finish);
    });
  }

  #learn(leads: boolean, leader: PeerId): void {
    this.#version += 1;
    this.#leads = leads;
    this.#leader = leader;
    for (const finish of [...this.#waiting]) finish();
  }
}
