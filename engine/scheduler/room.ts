import { assert } from "../lib/assert.ts";
import type { NodeId } from "../lib/ids.ts";
import type { ClusterView, Job, NodeRecord } from "../state/cluster-state.ts";
import type { Assignment } from "../state/command.ts";
import { specOf } from "../state/spec-of.ts";

/** What a job takes from a node for as long as an attempt of it lives there. */
export type Demand = {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Any of these drivers will do; empty = any driver at all. */
  readonly drivers: readonly string[];
};

/** What a node has left. Mutable: one plan takes from it as it goes, nothing else sees it. */
export type Room = {
  readonly node: NodeRecord;
  readonly isSuspect: boolean;
  readonly isLowOnDisk: boolean;
  freeSlots: number;
  freeCpuMillis: number;
  freeMemoryBytes: number;
  /** Kept for a job further ahead that fits nowhere yet. */
  isReserved: boolean;
};

const SANDBOXES = ["process", "bubblewrap", "unshare"];

export function demandOf(job: Job): Demand {
  const spec = specOf(job.spec);
  const { cpuMillis, memoryBytes } = spec.resources;
  return { cpuMillis, memoryBytes, drivers: driversFor(spec.driver, spec.image) };
}

function driversFor(driver: "auto" | "docker" | "process" | "plain", image: string): string[] {
  if (image !== "" || driver === "docker") return ["docker"];
  if (driver === "process") return SANDBOXES;
  return driver === "plain" ? ["plain"] : [];
}

/** Every node with what live and promised attempts leave of it, by node id. */
export function roomsOf(input: {
  readonly view: ClusterView;
  readonly suspects: ReadonlySet<NodeId>;
  readonly lowOnDisk: ReadonlySet<NodeId>;
  readonly inFlight: readonly Assignment[];
}): readonly Room[] {
  const { view, suspects, lowOnDisk, inFlight } = input;
  const nodes = [...view.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const rooms = nodes.map((node) => ({
    ...emptyRoom(node),
    isSuspect: suspects.has(node.id),
    isLowOnDisk: lowOnDisk.has(node.id),
  }));
  for (const room of rooms) {
    for (const { jobId } of view.liveAttempts(room.node.id)) {
      const job = view.jobs.get(jobId);
      assert(job !== undefined, "an attempt belongs to a job");
      take(room, demandOf(job));
    }
  }
  for (const { jobId, nodeId } of inFlight) {
    const room = rooms.find(({ node }) => node.id === nodeId);
    const job = view.jobs.get(jobId);
    // Applied since: it is among the live attempts, or was refused.
    if (room !== undefined && job?.state === "pending") take(room, demandOf(job));
  }
  return rooms;
}

const emptyRoom = (node: NodeRecord): Omit<Room, "isSuspect" | "isLowOnDisk"> => ({
  node,
  freeSlots: node.slots,
  freeCpuMillis: node.cpuMillis,
  freeMemoryBytes: node.memoryBytes,
  isReserved: false,
});

export function take(room: Room, demand: Demand): void {
  room.freeSlots -= 1;
  room.freeCpuMillis -= demand.cpuMillis;
  room.freeMemoryBytes -= demand.memoryBytes;
}
