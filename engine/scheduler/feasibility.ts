import type { Demand, Room } from "./room.ts";

/** Why a job cannot start on a node now. The first three groups end by an event, not by waiting. */
export type Obstacle =
  | {
      readonly kind: "unregistered" | "lost" | "suspect" | "draining" | "not-a-worker" | "low-disk";
    }
  | { readonly kind: "no-driver"; readonly drivers: readonly string[] }
  | { readonly kind: "too-small"; readonly missing: Missing }
  | { readonly kind: "full"; readonly missing: Missing }
  | { readonly kind: "reserved" };

/** What lacks, in its own unit. */
export type Missing =
  | { readonly what: "slots"; readonly count: number }
  | { readonly what: "cpu"; readonly cpuMillis: number }
  | { readonly what: "memory"; readonly memoryBytes: number };

/** The first thing in the way, or null when the job fits here now. */
export function obstacleFor(room: Room, demand: Demand): Obstacle | null {
  const lasting = lastingObstacle(room, demand);
  if (lasting !== null) return lasting;
  const missing = missingFrom(demand, {
    slots: room.freeSlots,
    cpuMillis: room.freeCpuMillis,
    memoryBytes: room.freeMemoryBytes,
  });
  if (missing !== null) return { kind: "full", missing };
  return room.isReserved ? { kind: "reserved" } : null;
}

/** What stays in the way however much of the node's work ends. */
export function lastingObstacle(room: Room, demand: Demand): Obstacle | null {
  const { node } = room;
  if (!node.registered) return { kind: "unregistered" };
  if (!node.roles.includes("worker")) return { kind: "not-a-worker" };
  if (node.liveness === "lost") return { kind: "lost" };
  if (room.isSuspect) return { kind: "suspect" };
  if (node.drain !== null) return { kind: "draining" };
  if (room.isLowOnDisk) return { kind: "low-disk" };
  if (!hasDriver(room, demand)) return { kind: "no-driver", drivers: demand.drivers };
  const missing = missingFrom(demand, node);
  return missing === null ? null : { kind: "too-small", missing };
}

export const hasDriver = (room: Room, demand: Demand): boolean =>
  demand.drivers.length === 0
    ? room.node.drivers.length > 0
    : demand.drivers.some((driver) => room.node.drivers.includes(driver));

function missingFrom(
  demand: Demand,
  has: { readonly slots: number; readonly cpuMillis: number; readonly memoryBytes: number },
): Missing | null {
  if (has.slots < 1) return { what: "slots", count: 1 - has.slots };
  if (has.cpuMillis < demand.cpuMillis) {
    return { what: "cpu", cpuMillis: demand.cpuMillis - has.cpuMillis };
  }
  if (has.memoryBytes < demand.memoryBytes) {
    return { what: "memory", memoryBytes: demand.memoryBytes - has.memoryBytes };
  }
  return null;
}
