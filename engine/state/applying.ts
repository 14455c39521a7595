import type { AttemptId, Index, PeerId, UnixMillis } from "../lib/ids.ts";
import type { Attempt, JoinToken, NodeRecord } from "./cluster-state.ts";
import type { Outcome } from "./command.ts";
import type { ClusterState } from "./create-state.ts";
import type { Fact } from "./fact.ts";
import type { NewJob, StoredJob } from "./state-store.ts";

/**
 * One entry being applied: the state it may write, the values it was given, and the facts so far.
 * Every write through it leaves a fact, so that nothing changes unseen.
 */
export class Applying {
  readonly state: ClusterState;
  readonly index: Index;
  /** The command's time, clamped so that it never goes back (SEMANTICS S16). */
  readonly at: UnixMillis;
  readonly principal: string;
  readonly facts: Fact[] = [];

  constructor(entry: {
    readonly state: ClusterState;
    readonly index: Index;
    readonly at: UnixMillis;
    readonly principal: string;
  }) {
    this.state = entry.state;
    this.index = entry.index;
    this.at = entry.at;
    this.principal = entry.principal;
  }

  addJob(job: NewJob): void {
    this.#tellJob(this.state.addJob(job));
  }

  putJob(job: StoredJob): void {
    this.state.putJob(job);
    this.#tellJob(job);
  }

  putAttempt(attempt: Attempt): void {
    this.state.putAttempt(attempt);
    this.facts.push({
      ...this.#place(),
      kind: "attempt-changed",
      attemptId: attempt.id,
      nodeId: attempt.nodeId,
      state: attempt.state,
    });
  }

  putNode(node: NodeRecord): void {
    this.state.putNode(node);
    this.facts.push({ ...this.#place(), kind: "node-changed", nodeId: node.id });
  }

  /** The record goes; neither its name nor its peer id come back. */
  removeNode(node: NodeRecord): void {
    const { id, peerId } = node;
    this.state.removeNode(id);
    this.state.addFormerNode({ id, peerId, removedAt: this.at, principal: this.principal });
    this.facts.push({ ...this.#place(), kind: "node-removed", nodeId: id });
  }

  putJoinToken(token: JoinToken): void {
    this.state.putJoinToken(token);
    this.facts.push({ ...this.#place(), kind: "join-token-changed", tokenId: token.id });
  }

  noteMembers(voters: readonly PeerId[], learners: readonly PeerId[]): void {
    this.facts.push({ ...this.#place(), kind: "members-changed", voters, learners });
  }

  raiseFeatureLevel(featureLevel: number): void {
    this.state.raiseFeatureLevel(featureLevel);
    this.facts.push({ ...this.#place(), kind: "feature-level-raised", featureLevel });
  }

  /** A report or assignment that no longer holds: harmless, counted. */
  ignore(attemptId: AttemptId): void {
    this.facts.push({ ...this.#place(), kind: "stale-ignored", attemptId });
  }

  done(existed = false): Outcome {
    return { kind: "ok", index: this.index, existed };
  }

  #tellJob(job: StoredJob): void {
    this.facts.push({ ...this.#place(), kind: "job-changed", jobId: job.id, state: job.state });
  }

  #place(): { readonly index: Index; readonly ordinal: number } {
    return { index: this.index, ordinal: this.facts.length };
  }
}
