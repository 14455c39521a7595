import type { PeerId } from "../lib/ids.ts";
import { NOBODY } from "../lib/ids.ts";
import type { Leadership } from "./leadership.ts";
import type { WatchNodes } from "./watch-nodes.ts";

/** A draining leader gives leadership away first (SEMANTICS, Drain). */
export class HandOver {
  readonly #leadership: Leadership;
  readonly #nodes: WatchNodes;
  #isUnderWay = false;

  constructor(leadership: Leadership, nodes: WatchNodes) {
    this.#leadership = leadership;
    this.#nodes = nodes;
    this.consider();
  }

  /** To be called when the own node's record changed. */
  consider(): void {
    const { replica, nodeId } = this.#leadership.options;
    const isDraining = (replica.view.nodes.get(nodeId)?.drain ?? null) !== null;
    if (!isDraining || this.#isUnderWay) return;
    this.#isUnderWay = true;
    const successor = this.#successor();
    if (successor === NOBODY) this.#tryLater();
    else this.#handOverTo(successor);
  }

  #handOverTo(successor: PeerId): void {
    const { replica, logger } = this.#leadership.options;
    replica.transferLeader(successor, (transferred) => {
      if (transferred.ok || this.#leadership.isOver) return;
      const outcome = transferred.error;
      logger.log("warn", "draining: leadership could not be handed over yet", { outcome });
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

  /** The furthest voter that answers, lives and does not drain itself; NOBODY when there is none. */
  #successor(): PeerId {
    const { replica, nodeId } = this.#leadership.options;
    const fit = new Set<PeerId>();
    for (const node of replica.view.nodes.values()) {
      const isFit = node.drain === null && !this.#nodes.suspects.has(node.id);
      if (isFit && node.id !== nodeId && node.liveness === "alive") fit.add(node.peerId);
    }
    const candidates = replica
      .status()
      .raft.progress.filter((peer) => peer.active && !peer.learner && fit.has(peer.id))
      .sort((left, right) => right.match - left.match || left.id - right.id);
    return candidates[0]?.id ?? NOBODY;
  }
}
