import { type NlError, nlError } from "../lib/error-code.ts";
import type { Index, NodeId } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { Heartbeat, HeartbeatAnswer } from "../platform/control-link.ts";
import type { Leadership } from "./leadership.ts";
import type { WatchNodes } from "./watch-nodes.ts";

type Waiting = { readonly nodeId: NodeId; readonly done: Done<HeartbeatAnswer, NlError> };

/** Workers of one cluster at 2 s a beat (DESIGN, Limits), with room for a slow quorum round. */
const WAITING_MAX = 10_000;

/**
 * Answers heartbeats, and with them renews leases (SEMANTICS, Fencing): only after a quorum round
 * that began after receipt, so that a deposed leader can never renew one.
 */
export class Heartbeats {
  readonly #leadership: Leadership;
  readonly #nodes: WatchNodes;
  readonly #reviving = new Map<NodeId, Waiting[]>();
  /** Who holds a lease of this term's: its next beat can wait for a round that is made anyway. */
  readonly #granted = new Set<NodeId>();
  #waiting: Waiting[] = [];
  #isAsking = false;

  constructor(leadership: Leadership, nodes: WatchNodes) {
    this.#leadership = leadership;
    this.#nodes = nodes;
  }

  receive(beat: Heartbeat, done: Done<HeartbeatAnswer, NlError>): void {
    const waiting = { nodeId: beat.nodeId, done };
    const node = this.#leadership.options.replica.view.nodes.get(beat.nodeId);
    if (node?.registered) this.#nodes.hear(beat);
    if (node?.liveness === "lost") this.#revive(waiting);
    else this.#enqueue(waiting);
  }

  /** The leadership is over: whoever leads now must answer. */
  end(): void {
    const all = [...this.#waiting, ...[...this.#reviving.values()].flat()];
    this.#waiting = [];
    this.#reviving.clear();
    for (const { done } of all) done(err(noLeader()));
  }

  #enqueue(waiting: Waiting): void {
    if (this.#waiting.length >= WAITING_MAX) {
      const error = nlError("overloaded", "too many heartbeats wait", "", 1_000);
      this.#leadership.options.timers.soon(() => waiting.done(err(error)));
      return;
    }
    this.#waiting.push(waiting);
    if (this.#waiting.length === 1 && !this.#isAsking) this.#leadership.soon(() => this.#ask());
  }

  /** A lost node that speaks is alive: but its lease begins only once the log says so. */
  #revive(waiting: Waiting): void {
    const { nodeId } = waiting;
    const others = this.#reviving.get(nodeId);
    if (others !== undefined) {
      others.push(waiting);
      return;
    }
    this.#reviving.set(nodeId, [waiting]);
    this.#leadership.propose({ kind: "mark-node", nodeId, liveness: "alive" }, (proposed) => {
      const revived = this.#reviving.get(nodeId) ?? [];
      this.#reviving.delete(nodeId);
      for (const one of revived) {
        if (proposed.ok) this.#enqueue(one);
        else one.done(err(noLeader()));
      }
    });
  }

  /** One barrier for everything that arrived before it. */
  #ask(): void {
    if (this.#isAsking || this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#isAsking = true;
    const isPatient = batch.every(({ nodeId }) => this.#granted.has(nodeId));
    this.#leadership.options.replica.readBarrier(
      (confirmed) => {
        this.#isAsking = false;
        const isConfirmed = confirmed.ok && !this.#leadership.isOver;
        for (const waiting of batch) {
          if (isConfirmed) this.#answer(waiting, confirmed.value);
          else waiting.done(err(noLeader()));
        }
        this.#ask();
      },
      { isPatient },
    );
  }

  #answer(waiting: Waiting, commitIndex: Index): void {
    const node = this.#leadership.options.replica.view.nodes.get(waiting.nodeId);
    const isKept = node?.registered === true && node.liveness === "alive";
    const granted = isKept && !this.#nodes.isBeingLost(waiting.nodeId);
    if (granted) this.#granted.add(waiting.nodeId);
    else this.#granted.delete(waiting.nodeId);
    waiting.done(ok({ term: this.#leadership.term, commitIndex, granted }));
  }
}

export const noLeader = (): NlError =>
  nlError("no_leader", "this node does not lead", "the next heartbeat or call finds the leader");
