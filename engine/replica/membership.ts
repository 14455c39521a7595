import { unreachable } from "../lib/assert.ts";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { ConfOp, ConfState, ProposeError, Raft } from "../raft/types.ts";
import type { Applied, MembershipFailure, ProposeFailure } from "./replica.ts";

/** A wish to change the members, until it is answered. */
export type MembershipChange = {
  readonly changes: readonly ConfOp[];
  readonly expiresAtMillis: number;
  readonly done: Done<Index, MembershipFailure>;
};

type UnderWay = MembershipChange & { readonly index: Index; readonly term: Term };

/** The confirming entry had no effect, and this node may still lead. */
const MAY_TRY_AGAIN: ReadonlySet<ProposeFailure["kind"]> = new Set(["overloaded", "transferring"]);

/** Changes that wait for the one under way would only be refused: one is enough for anybody. */
const WAITING_MAX = 16;

/**
 * Changes of the Raft group. One is done once a later entry has committed under the configuration
 * it led to (contract 18): until then the old members are still needed. That entry is proposed here,
 * as soon as the final configuration is active, so that an idle cluster does not wait for one.
 */
export class Membership {
  readonly #self: PeerId;
  #asked: MembershipChange[] = [];
  #underWay: UnderWay[] = [];
  /** Changes whose final configuration is active, and which the next entry confirms. */
  #unconfirmed: UnderWay[] = [];

  constructor(self: PeerId) {
    this.#self = self;
  }

  /** False: too many wait. */
  add(change: MembershipChange): boolean {
    if (this.#asked.length >= WAITING_MAX) return false;
    this.#asked.push(change);
    return true;
  }

  get isAsked(): boolean {
    return this.#asked.length > 0;
  }

  /** Proposes what was asked for. Call it where proposals are made. */
  proposeAll(raft: Raft): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const change of asked) this.#propose(raft, change);
  }

  /** The configuration `conf` is active, and everything up to `commit` is committed. */
  onConf(conf: ConfState, commit: Index): void {
    if (conf.votersOutgoing.length > 0) return;
    const isFinal = ({ index }: UnderWay): boolean => index <= commit;
    this.#unconfirmed.push(...this.#underWay.filter(isFinal));
    this.#underWay = this.#underWay.filter((change) => !isFinal(change));
  }

  get needsEntry(): boolean {
    return this.#unconfirmed.length > 0;
  }

  /** How to answer those that an entry proposed now confirms, once that entry is answered. */
  beginConfirming(): Done<Applied, ProposeFailure> {
    const changes = this.#unconfirmed;
    this.#unconfirmed = [];
    return (proposed) => {
      if (proposed.ok) {
        for (const { done } of changes) done(ok(proposed.value.index));
      } else if (MAY_TRY_AGAIN.has(proposed.error.kind)) {
        this.#unconfirmed.push(...changes);
      } else {
        for (const { done } of changes) done(err({ kind: "indefinite" }));
      }
    };
  }

  /** The core knows that this entry can never commit. */
  drop(index: Index, term: Term): void {
    const dropped = this.#underWay.filter((one) => one.index === index && one.term === term);
    this.#underWay = this.#underWay.filter((one) => !dropped.includes(one));
    for (const { done } of dropped) done(err({ kind: "dropped" }));
  }

  expire(nowMillis: number): void {
    const isLate = (change: MembershipChange): boolean => change.expiresAtMillis <= nowMillis;
    const late = [...this.#underWay, ...this.#unconfirmed].filter(isLate);
    if (late.length === 0) return;
    this.#underWay = this.#underWay.filter((change) => !isLate(change));
    this.#unconfirmed = this.#unconfirmed.filter((change) => !isLate(change));
    for (const { done } of late) done(err({ kind: "indefinite" }));
  }

  /** This node will not learn what becomes of them. */
  abandon(): void {
    this.expire(Number.POSITIVE_INFINITY);
    for (const { done } of this.#asked.splice(0)) done(err({ kind: "stopped" }));
  }

  #propose(raft: Raft, change: MembershipChange): void {
    const { changes, done } = change;
    if (changes.some(({ op, id }) => id === this.#self && op !== "voter")) {
      done(err({ kind: "own-seat" }));
      return;
    }
    const context = new Uint8Array(0);
    const result = raft.proposeConf({ changes, transition: "auto", context });
    if (result.ok) this.#underWay.push({ ...change, index: result.first, term: result.term });
    else done(err(failureOf(result.reason, result.leader)));
  }
}

function failureOf(reason: ProposeError, leader: PeerId): MembershipFailure {
  switch (reason) {
    case "not-leader":
    case "not-member":
      return { kind: "not-leader", leader };
    case "transferring":
      return { kind: "transferring", leader };
    case "conf-pending":
    case "conf-invalid":
    case "learner-behind":
      return { kind: reason };
    case "halted":
      return { kind: "stopped" };
    case "too-large":
      return { kind: "conf-invalid" };
    case "uncommitted-limit":
    case "apply-lag":
      return { kind: "overloaded" };
    default:
      return unreachable(reason);
  }
}
