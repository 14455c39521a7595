import type { NodeId } from "../lib/ids.ts";
import type { ConfOp } from "../replica/replica.ts";
import type { Fact } from "../state/fact.ts";
import type { Leadership } from "./leadership.ts";
import { planMembers } from "./plan-members.ts";

/**
 * Brings the Raft group to what the node table asks for, one step at a time: newcomers learn, then
 * vote; who leaves loses its vote once nothing runs there, then is forgotten. What a deposed leader
 * left half done the next one finds in the table and the configuration, and goes on.
 */
export class KeepMembers {
  readonly #leadership: Leadership;
  #isUnderWay = false;
  #cancelLook: (() => void) | null = null;

  constructor(leadership: Leadership) {
    this.#leadership = leadership;
    this.consider();
  }

  onFacts(facts: readonly Fact[]): void {
    if (facts.some(concernsMembers)) this.consider();
  }

  /** To be called when the table or the configuration changed. */
  consider(): void {
    if (this.#isUnderWay || this.#leadership.isOver) return;
    const step = this.#plan();
    switch (step.kind) {
      case "none":
        return;
      case "wait":
        this.#lookLater();
        return;
      case "change":
        this.#change(step.changes);
        return;
      case "forget":
        this.#forget(step.nodeId);
        return;
    }
  }

  #plan() {
    const { replica } = this.#leadership.options;
    const { view } = replica;
    const { raft } = replica.status();
    return planMembers({
      self: raft.id,
      conf: raft.conf,
      lastIndex: raft.lastIndex,
      progress: raft.progress,
      nodes: view.nodes.values(),
      liveAttemptCount: (nodeId) => view.liveAttempts(nodeId).length,
    });
  }

  #change(changes: readonly ConfOp[]): void {
    const { replica, logger } = this.#leadership.options;
    const what = changes.map(({ op, id }) => `${op} ${id}`).join(", ");
    logger.log("info", "changing the members", { what });
    this.#isUnderWay = true;
    replica.changeMembership(changes, (changed) => {
      this.#isUnderWay = false;
      if (changed.ok) {
        this.consider();
        return;
      }
      logger.log("warn", "the members could not be changed yet", { what, why: changed.error.kind });
      this.#lookLater();
    });
  }

  #forget(nodeId: NodeId): void {
    this.#isUnderWay = true;
    this.#leadership.propose({ kind: "forget-node", nodeId }, (proposed) => {
      this.#isUnderWay = false;
      if (proposed.ok) this.consider();
      else this.#lookLater();
    });
  }

  #lookLater(): void {
    if (this.#cancelLook !== null || this.#leadership.isOver) return;
    const { membersRetryMillis } = this.#leadership.options.settings;
    this.#cancelLook = this.#leadership.after(membersRetryMillis, () => {
      this.#cancelLook = null;
      this.consider();
    });
  }
}

/** The last attempt of a node that leaves is waited for by looking again. */
function concernsMembers(fact: Fact): boolean {
  switch (fact.kind) {
    case "node-changed":
    case "node-removed":
    case "members-changed":
      return true;
    default:
      return false;
  }
}
