import type { JobId, UnixMillis } from "../lib/ids.ts";
import { SteadyTime } from "../lib/steady-time.ts";
import { PLAN_LIMITS, type Plan, type PlanInput, plan } from "../scheduler/plan.ts";
import type { Policy } from "../scheduler/ranking.ts";
import { whyWaiting } from "../scheduler/why-waiting.ts";
import type { Assignment } from "../state/command.ts";
import type { Fact } from "../state/fact.ts";
import type { Leadership } from "./leadership.ts";

const POLICY: Policy = "least-loaded";
const NOTHING: readonly Assignment[] = [];

/** Nodes that get no new work, or only what no other can take, for what the log does not show. */
type Unfit = Pick<PlanInput, "suspects" | "unanswering" | "lowOnDisk">;

/** A timer may not be set further ahead than this; it is only set again then. */
const DUE_MILLIS_MAX = 60_000;

/**
 * Plans whenever something changed that a plan depends on, or a retry is due. At most one plan is
 * in flight; what changes meanwhile makes one more plan, not many.
 */
export class PlaceWork {
  readonly #leadership: Leadership;
  readonly #unfit: () => Unfit;
  readonly #time: SteadyTime;
  #inFlight = NOTHING;
  #isPlanDue = false;
  #isDirty = false;
  #cancelDue: () => void = () => {};

  constructor(leadership: Leadership, unfit: () => Unfit) {
    this.#leadership = leadership;
    this.#unfit = unfit;
    const { clock } = leadership.options;
    this.#time = new SteadyTime(clock.now(), clock.monotonicMillis());
    this.planSoon();
  }

  onFacts(facts: readonly Fact[]): void {
    if (facts.some(concernsPlacement)) this.planSoon();
  }

  planSoon(): void {
    this.#isDirty = true;
    if (this.#isPlanDue || this.#inFlight.length > 0) return;
    this.#isPlanDue = true;
    this.#leadership.soon(() => this.#plan());
  }

  /** One sentence; empty when the job does not wait. */
  waitingFor(jobId: JobId): string {
    const { view } = this.#leadership.options.replica;
    const input = { view, now: this.#now(), ...this.#unfit(), inFlight: this.#inFlight };
    return whyWaiting(input, jobId)?.sentence ?? "";
  }

  #plan(): void {
    this.#isPlanDue = false;
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const made = plan({
      view: this.#leadership.options.replica.view,
      now: this.#now(),
      ...this.#unfit(),
      inFlight: NOTHING,
      policy: POLICY,
      limits: PLAN_LIMITS,
    });
    this.#wakeAt(made.nextDueAt);
    if (made.assignments.length > 0) this.#propose(made);
  }

  #propose({ assignments }: Plan): void {
    this.#inFlight = assignments;
    this.#leadership.propose({ kind: "assign-attempts", assignments }, (proposed) => {
      this.#inFlight = NOTHING;
      if (this.#leadership.isOver) return;
      // A full plan may have left work behind; a refused one has left all of it.
      if (proposed.ok) this.planSoon();
      else this.#planAfter(this.#leadership.options.settings.planRetryMillis);
    });
  }

  #wakeAt(dueAt: UnixMillis | null): void {
    this.#cancelDue();
    this.#cancelDue = () => {};
    if (dueAt !== null) this.#planAfter(Math.max(1, dueAt - this.#now()));
  }

  #planAfter(millis: number): void {
    this.#cancelDue();
    const delay = Math.min(millis, DUE_MILLIS_MAX);
    this.#cancelDue = this.#leadership.after(delay, () => this.planSoon());
  }

  /** As the replica stamps: the leader's clock, never below replicated time, never standing still. */
  #now(): UnixMillis {
    const { clock, replica } = this.#leadership.options;
    return this.#time.at(Math.max(clock.now(), replica.view.appliedAt), clock.monotonicMillis());
  }
}

/** New work, room that came free, or a node that changed. Work that goes on changes nothing. */
function concernsPlacement(fact: Fact): boolean {
  switch (fact.kind) {
    case "job-changed":
      return fact.state !== "assigned" && fact.state !== "running";
    case "attempt-changed":
      return fact.state === "exited" || fact.state === "declined" || fact.state === "lost";
    case "node-changed":
    case "node-removed":
    case "stale-ignored":
      return true;
    case "members-changed":
    case "join-token-changed":
    case "feature-level-raised":
      return false;
  }
}
