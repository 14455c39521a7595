import { NOBODY, type PeerId } from "../lib/ids.ts";
import type { NodeRecord } from "../state/cluster-state.ts";
import type { Leadership } from "./leadership.ts";
import type { NodeDisks } from "./node-disks.ts";
import type { WatchNodes } from "./watch-nodes.ts";

/** Why the leader should be another node, if one can be found. */
type Reason = "draining" | "low-disk";

/**
 * A draining leader gives leadership away first (SEMANTICS, Drain), and so does one that is low on
 * disk (S17) as soon as it knows a node that is not.
 */
export class HandOver {
  readonly #leadership: Leadership;
  readonly #nodes: WatchNodes;
  readonly #disks: NodeDisks;
  #isUnderWay = false;

  constructor(leadership: Leadership, nodes: WatchNodes, disks: NodeDisks) {
    this.#leadership = leadership;
    this.#nodes = nodes;
    this.#disks = disks;
    this.consider();
  }

  /** To be called when the own node's record, or the room on its disk, changed. */
  consider(): void {
    const reason = this.#reason();
    if (reason === null || this.#isUnderWay) return;
    this.#isUnderWay = true;
    const successor = this.#successor(reason);
    if (successor === NOBODY) this.#tryLater();
    else this.#handOverTo(successor, reason);
  }

  #reason(): Reason | null {
    const { replica, nodeId, isDiskLow } = this.#leadership.options;
    if ((replica.view.nodes.get(nodeId)?.drain ?? null) !== null) return "draining";
    return isDiskLow() ? "low-disk" : null;
  }

  #handOverTo(successor: PeerId, reason: Reason): void {
    const { replica, logger } = this.#leadership.options;
    replica.transferLeader(successor, (transferred) => {
      if (transferred.ok || this.#leadership.isOver) return;
      const outcome = transferred.error;
      logger.log("warn", "leadership could not be handed over yet", { reason, outcome });
      this.#tryLater();
    });
  }

  #tryLater(): void {
    const { handOverRetryMillis } = this.#leadership.options.settings;
    this.#leadership.after(handOverRetryMillis, () => {
      this.#isUnderWay = false;
      this.consider();
    });
  }

  /** The furthest voter that answers and is fit to lead; NOBODY when there is none. */
  #successor(reason: Reason): PeerId {
    const { replica } = this.#leadership.options;
    const fit = new Set<PeerId>();
    for (const node of replica.view.nodes.values()) {
      if (this.#isFit(node, reason)) fit.add(node.peerId);
    }
    const candidates = replica
      .status()
      .raft.progress.filter((peer) => peer.active && !peer.learner && fit.has(peer.id))
      .sort((left, right) => right.match - left.match || left.id - right.id);
    return candidates[0]?.id ?? NOBODY;
  }

  /** Lives, does not drain itself, and is not what the leader goes for. */
  #isFit(node: NodeRecord, reason: Reason): boolean {
    if (node.id === this.#leadership.options.nodeId || node.liveness !== "alive") return false;
    if (node.drain !== null || this.#nodes.suspects.has(node.id)) return false;
    return reason === "draining" || this.#disks.hasRoom(node.id);
  }
}
