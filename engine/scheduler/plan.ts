import type { JobId, NodeId, UnixMillis } from "../lib/ids.ts";
import type { ClusterView, Job, SpecRecord } from "../state/cluster-state.ts";
import type { Assignment } from "../state/command.ts";
import { hasDriver, lastingObstacle, obstacleFor } from "./feasibility.ts";
import { bestOf, closestTo, type Policy } from "./ranking.ts";
import { type Demand, demandOf, type Room, roomsOf, take } from "./room.ts";
import { explain, type Waiting } from "./why-waiting.ts";

export type PlanInput = {
  readonly view: ClusterView;
  /** The leader's clock; it decides which backoffs are over. */
  readonly now: UnixMillis;
  /** Nodes silent for so long that they get no new work. */
  readonly suspects: ReadonlySet<NodeId>;
  /** Nodes that do not answer the leader just now: they get what no other node can take. */
  readonly unanswering: ReadonlySet<NodeId>;
  /** Nodes with so little room on their disk that they get no new work. */
  readonly lowOnDisk: ReadonlySet<NodeId>;
  /** Proposed and not applied yet: their room is taken, their jobs are left alone. */
  readonly inFlight: readonly Assignment[];
  readonly policy: Policy;
  readonly limits: PlanLimits;
};

export type PlanLimits = {
  readonly assignmentsMax: number;
  /** Jobs looked at that could not be placed, as a bound on the work of one plan. */
  readonly lookAheadMax: number;
  /** Waiting jobs that get their reasons written down. */
  readonly explainedMax: number;
};

export const PLAN_LIMITS: PlanLimits = {
  assignmentsMax: 256,
  // Below what `specOf` remembers decoded: ten times as many cost 60 ms a plan.
  lookAheadMax: 2_000,
  explainedMax: 32,
};

export type Plan = {
  readonly assignments: readonly Assignment[];
  /** Why the first jobs that found no room wait; ask `whyWaiting` about any other. */
  readonly waiting: ReadonlyMap<JobId, Waiting>;
  /** When to plan again though nothing has changed: the next backoff's end. */
  readonly nextDueAt: UnixMillis | null;
};

type Draft = {
  readonly input: PlanInput;
  readonly rooms: readonly Room[];
  readonly assignments: Assignment[];
  readonly waiting: Map<JobId, Waiting>;
  /** Specs with no node left to keep. Nodes only close within a plan: no second look is needed. */
  readonly hopeless: Set<SpecRecord>;
};

/**
 * Decides which pending jobs start where. Strict order: priority, then submit order. A job that
 * fits nowhere now keeps the node that comes closest to itself, so that later, smaller jobs fill
 * only the others and do not starve it (SEMANTICS §2, Order).
 */
export function plan(input: PlanInput): Plan {
  const draft: Draft = {
    input,
    rooms: roomsOf(input),
    assignments: [],
    waiting: new Map(),
    hopeless: new Set(),
  };
  fill(draft);
  return {
    assignments: draft.assignments,
    waiting: draft.waiting,
    nextDueAt: input.view.nextDueAt(input.now),
  };
}

function fill(draft: Draft): void {
  const { view, now, inFlight, limits } = draft.input;
  const inFlightJobs = new Set(inFlight.map(({ jobId }) => jobId));
  let blockedCount = 0;
  if (!hasOpenRoom(draft.rooms)) return;
  for (const job of view.ready(now)) {
    if (inFlightJobs.has(job.id)) continue;
    if (!place(draft, job)) blockedCount += 1;
    if (!hasOpenRoom(draft.rooms)) return;
    if (draft.assignments.length >= limits.assignmentsMax) return;
    if (blockedCount >= limits.lookAheadMax) return;
  }
}

/** A hundred thousand pending jobs cost nothing while every node is full or kept for someone. */
const hasOpenRoom = (rooms: readonly Room[]): boolean =>
  rooms.some((room) => room.freeSlots > 0 && !room.isReserved && isEligible(room));

const ANYTHING: Demand = { cpuMillis: 0, memoryBytes: 0, drivers: [] };

const isEligible = (room: Room): boolean => lastingObstacle(room, ANYTHING) === null;

/** False when the job has to wait. */
function place(draft: Draft, job: Job): boolean {
  if (draft.hopeless.has(job.spec)) return false;
  const demand = attemptable(draft.rooms, demandOf(job));
  const fitting = draft.rooms.filter((room) => obstacleFor(room, demand) === null);
  const room = bestOf(awayFromLast(answering(draft, fitting), job), demand, draft.input.policy);
  if (room === undefined) {
    block(draft, job, demand);
    return false;
  }
  take(room, demand);
  draft.assignments.push({
    jobId: job.id,
    number: (job.run?.attempt ?? 0) + 1,
    nodeId: room.node.id,
    cause: job.run?.cause ?? "first",
  });
  return true;
}

/**
 * When no node at all has the wanted driver, the job is placed as if it did not matter: the node
 * refuses it with the reason (`no-docker`), where waiting for ever would say nothing.
 */
function attemptable(rooms: readonly Room[], demand: Demand): Demand {
  return rooms.some((room) => hasDriver(room, demand)) ? demand : { ...demand, drivers: [] };
}

/** Those that answer the leader, if any of them fits. */
function answering({ input }: Draft, fitting: readonly Room[]): readonly Room[] {
  if (input.unanswering.size === 0) return fitting;
  const heard = fitting.filter((room) => !input.unanswering.has(room.node.id));
  return heard.length > 0 ? heard : fitting;
}

/** The node of the last attempt only when no other fits. */
function awayFromLast(fitting: readonly Room[], job: Job): readonly Room[] {
  const others = fitting.filter((room) => room.node.id !== job.run?.nodeId);
  return others.length > 0 ? others : fitting;
}

function block(draft: Draft, job: Job, demand: Demand): void {
  if (draft.waiting.size < draft.input.limits.explainedMax) {
    draft.waiting.set(job.id, explain(draft.rooms, demand));
  }
  const candidates = draft.rooms.filter(
    (room) => !room.isReserved && lastingObstacle(room, demand) === null,
  );
  const kept = closestTo(candidates, demand);
  if (kept === undefined) draft.hopeless.add(job.spec);
  else kept.isReserved = true;
}
