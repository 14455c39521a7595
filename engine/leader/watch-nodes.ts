import type { Index, NodeId } from "../lib/ids.ts";
import { untilNextLook } from "../lib/next-look.ts";
import type { Heartbeat } from "../platform/control-link.ts";
import type { Leadership } from "./leadership.ts";

type Heard = { atMillis: number; beat: Heartbeat | null };

/**
 * Who is silent. Counts from the receipt of a node's last heartbeat on this leader's monotonic
 * clock; every leadership starts all clocks afresh (SEMANTICS, Node lost).
 */
export class WatchNodes {
  readonly #leadership: Leadership;
  readonly #onChange: () => void;
  readonly #heard = new Map<NodeId, Heard>();
  /** Until which index is applied `lost` may still come; null = not known yet. */
  readonly #lostProposed = new Map<NodeId, Index | null>();
  #suspects: ReadonlySet<NodeId> = new Set();
  #lookedAtMillis: number;

  /** `onChange` is called when the set of suspects changed. */
  constructor(leadership: Leadership, onChange: () => void) {
    this.#leadership = leadership;
    this.#onChange = onChange;
    this.#lookedAtMillis = this.#now();
    this.#look();
  }

  get suspects(): ReadonlySet<NodeId> {
    return this.#suspects;
  }

  hear(beat: Heartbeat): void {
    this.#heard.set(beat.nodeId, { atMillis: this.#now(), beat });
    if (this.#suspects.has(beat.nodeId)) this.#refreshSuspects();
  }

  /** A registration is a sign of life, too. */
  hearRegistration(nodeId: NodeId): void {
    const known = this.#heard.get(nodeId);
    this.#heard.set(nodeId, { atMillis: this.#now(), beat: known?.beat ?? null });
    if (this.#suspects.has(nodeId)) this.#refreshSuspects();
  }

  /** From the proposal of `lost` until it is applied, the node must not be answered. */
  isBeingLost(nodeId: NodeId): boolean {
    const settledAt = this.#lostProposed.get(nodeId);
    if (settledAt === undefined) return false;
    const { appliedIndex } = this.#leadership.options.replica.view;
    return settledAt === null || appliedIndex < settledAt;
  }

  /** Milliseconds since each node was heard, and what it said. */
  heard(): readonly {
    readonly nodeId: NodeId;
    readonly agoMillis: number;
    beat: Heartbeat | null;
  }[] {
    const now = this.#now();
    return [...this.#heard].map(([nodeId, { atMillis, beat }]) => ({
      nodeId,
      agoMillis: now - atMillis,
      beat,
    }));
  }

  /** A node that is lost in the view needs no second proposal, and may be answered again. */
  onNodeChanged(nodeId: NodeId): void {
    const node = this.#leadership.options.replica.view.nodes.get(nodeId);
    if (node?.liveness !== "alive") this.#lostProposed.delete(nodeId);
    this.#refreshSuspects();
  }

  #look(): void {
    const { watchMillis, lostMillis } = this.#leadership.options.settings;
    this.#leadership.after(untilNextLook(this.#now(), watchMillis), () => this.#look());
    this.#forgiveOwnStall();
    for (const node of this.#leadership.options.replica.view.nodes.values()) {
      if (!node.registered || node.liveness !== "alive") continue;
      if (this.#silentMillis(node.id) >= lostMillis) this.#proposeLost(node.id);
    }
    this.#refreshSuspects();
  }

  /** A leader that did not run cannot tell its own silence from its nodes'. */
  #forgiveOwnStall(): void {
    const { watchMillis, ownStallMillis } = this.#leadership.options.settings;
    const now = this.#now();
    const lateMillis = now - this.#lookedAtMillis - watchMillis;
    this.#lookedAtMillis = now;
    if (lateMillis < ownStallMillis) return;
    for (const heard of this.#heard.values()) heard.atMillis = now;
  }

  /** The first look at a node starts its clock. */
  #silentMillis(nodeId: NodeId): number {
    const heard = this.#heard.get(nodeId);
    if (heard !== undefined) return this.#now() - heard.atMillis;
    this.#heard.set(nodeId, { atMillis: this.#now(), beat: null });
    return 0;
  }

  #proposeLost(nodeId: NodeId): void {
    if (this.isBeingLost(nodeId)) return;
    this.#lostProposed.set(nodeId, null);
    this.#leadership.options.logger.log("warn", "a node is silent: marking it lost", { nodeId });
    this.#leadership.propose({ kind: "mark-node", nodeId, liveness: "lost" }, (proposed) => {
      // Indefinite: it may still be applied, so the node stays unanswered until this leader has
      // applied all that it had in its log by now. The node may be alive again by then.
      const isSettled = proposed.ok || proposed.error.kind !== "indefinite";
      if (isSettled) this.#lostProposed.delete(nodeId);
      else this.#lostProposed.set(nodeId, this.#leadership.options.replica.status().raft.lastIndex);
    });
  }

  #refreshSuspects(): void {
    const { replica, settings } = this.#leadership.options;
    const suspects = new Set<NodeId>();
    for (const node of replica.view.nodes.values()) {
      if (!node.registered) continue;
      if (this.#silentMillis(node.id) >= settings.suspectMillis) suspects.add(node.id);
    }
    const isSame =
      suspects.size === this.#suspects.size && [...suspects].every((id) => this.#suspects.has(id));
    this.#suspects = suspects;
    if (!isSame) this.#onChange();
  }

  #now(): number {
    return this.#leadership.options.clock.monotonicMillis();
  }
}
