import { unreachable } from "../lib/assert.ts";
import type { JobId, NodeId, UnixMillis } from "../lib/ids.ts";
import type { ClusterView, Job } from "../state/cluster-state.ts";
import type { Assignment } from "../state/command.ts";
import { type Missing, type Obstacle, obstacleFor } from "./feasibility.ts";
import { type Demand, demandOf, type Room, roomsOf } from "./room.ts";

/** Why a job waits: one sentence, and per node what is in the way there. */
export type Waiting = {
  readonly sentence: string;
  readonly nodes: readonly { readonly nodeId: NodeId; readonly reason: string }[];
};

const AHEAD_COUNTED_MAX = 10_000;

/** Null when the job is unknown or does not wait. For people's questions: it may walk the queue. */
export function whyWaiting(
  input: {
    readonly view: ClusterView;
    readonly now: UnixMillis;
    readonly suspects: ReadonlySet<NodeId>;
    readonly lowOnDisk: ReadonlySet<NodeId>;
    readonly inFlight: readonly Assignment[];
  },
  jobId: JobId,
): Waiting | null {
  const job = input.view.jobs.get(jobId);
  if (job?.state !== "pending") return null;
  const notBefore = job.run?.notBefore ?? null;
  if (notBefore !== null && notBefore > input.now) {
    return { sentence: inBackoff(job, notBefore - input.now), nodes: [] };
  }
  if (input.inFlight.some((assignment) => assignment.jobId === jobId)) {
    return { sentence: "it is being placed", nodes: [] };
  }
  const waiting = explain(roomsOf(input), demandOf(job));
  const ahead = countAhead(input.view, job, input.now);
  return ahead === "" ? waiting : { ...waiting, sentence: `${ahead}; ${waiting.sentence}` };
}

/** What stands between a demand and each of the nodes. */
export function explain(rooms: readonly Room[], demand: Demand): Waiting {
  if (rooms.length === 0) return { sentence: "the cluster has no nodes", nodes: [] };
  const obstacles = rooms.map((room) => ({ room, obstacle: obstacleFor(room, demand) }));
  const nodes = obstacles.map(({ room, obstacle }) => ({
    nodeId: room.node.id,
    reason: obstacle === null ? "has room" : reasonFor(obstacle),
  }));
  return { sentence: sentenceFor(obstacles.map(({ obstacle }) => obstacle)), nodes };
}

function sentenceFor(obstacles: readonly (Obstacle | null)[]): string {
  if (obstacles.includes(null)) return "it is about to be placed";
  const kinds = new Set(obstacles.map((obstacle) => obstacle?.kind));
  if (kinds.has("full") || kinds.has("reserved")) return "it waits for running work to end";
  if (kinds.has("too-small")) return "no node that takes work is large enough for it";
  if (kinds.has("no-driver")) return "no node that takes work has the driver it needs";
  return "no node takes work now";
}

function reasonFor(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case "unregistered":
      return "has not reported for duty yet";
    case "not-a-worker":
      return "runs no jobs";
    case "lost":
      return "is lost";
    case "suspect":
      return "has been silent for some seconds";
    case "low-disk":
      return "has too little room on its disk";
    case "draining":
      return "is draining";
    case "no-driver":
      return `has none of the drivers ${obstacle.drivers.join(", ")}`;
    case "too-small":
      return `is too small: it lacks ${amount(obstacle.missing)}`;
    case "full":
      return `is full: it lacks ${amount(obstacle.missing)}`;
    case "reserved":
      return "is kept free for a job ahead";
    default:
      return unreachable(obstacle);
  }
}

const MIB = 1024 * 1024;

function amount(missing: Missing): string {
  switch (missing.what) {
    case "slots":
      return missing.count === 1 ? "a slot" : `${missing.count} slots`;
    case "cpu":
      return `${missing.cpuMillis / 1000} cpu`;
    case "memory":
      return `${Math.ceil(missing.memoryBytes / MIB)} MiB of memory`;
    default:
      return unreachable(missing);
  }
}

function inBackoff(job: Job, remainingMillis: number): string {
  const seconds = Math.ceil(remainingMillis / 1000);
  const why = job.run?.cause === "declined" ? "its node declined it" : "its last attempt failed";
  return `${why}: it is tried again in ${seconds} s`;
}

function countAhead(view: ClusterView, job: Job, now: UnixMillis): string {
  let ahead = 0;
  for (const other of view.ready(now)) {
    if (other.id === job.id || ahead === AHEAD_COUNTED_MAX) break;
    ahead += 1;
  }
  if (ahead === 0) return "";
  if (ahead === AHEAD_COUNTED_MAX) return `at least ${ahead} jobs are ahead of it`;
  return ahead === 1 ? "one job is ahead of it" : `${ahead} jobs are ahead of it`;
}
