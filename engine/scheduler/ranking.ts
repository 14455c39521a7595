import type { Demand, Room } from "./room.ts";

/** How to choose among nodes on which the job fits. */
export type Policy = "least-loaded";

/** Lower is better; ties go to the smaller node id. */
type Score = (room: Room, demand: Demand) => number;

const SCORES: Readonly<Record<Policy, Score>> = {
  "least-loaded": (room, demand) => loadWith(room, demand),
};

/** The best of `rooms`, which are in the order of their node ids; undefined when there is none. */
export function bestOf(rooms: readonly Room[], demand: Demand, policy: Policy): Room | undefined {
  return lowest(rooms, (room) => SCORES[policy](room, demand));
}

/** The node that comes closest to having room for the job: worth keeping free for it. */
export const closestTo = (rooms: readonly Room[], demand: Demand): Room | undefined =>
  lowest(rooms, (room) => loadWith(room, demand));

/** The fullest of the node's resources, 0 to 1, if the job ran there; above 1 = it lacks room. */
function loadWith(room: Room, demand: Demand): number {
  const { node } = room;
  return Math.max(
    (node.slots - room.freeSlots + 1) / Math.max(1, node.slots),
    (node.cpuMillis - room.freeCpuMillis + demand.cpuMillis) / Math.max(1, node.cpuMillis),
    (node.memoryBytes - room.freeMemoryBytes + demand.memoryBytes) / Math.max(1, node.memoryBytes),
  );
}

function lowest(rooms: readonly Room[], score: (room: Room) => number): Room | undefined {
  let best: Room | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const room of rooms) {
    const roomScore = score(room);
    if (roomScore < bestScore) {
      best = room;
      bestScore = roomScore;
    }
  }
  return best;
}
