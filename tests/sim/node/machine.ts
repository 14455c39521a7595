import type { NodeId } from "../../../engine/lib/ids.ts";
import { type SnapshotMemory, snapshotMemory } from "../../../engine/storage/memory-snapshots.ts";
import { SimClock } from "../world/sim-process.ts";
import { SimTaskHost, type SimTaskHostOptions } from "./sim-task-host.ts";

/** What of a node outlives its agent: clocks, snapshots, and the process that holds its tasks. */
export class Machine {
  readonly nodeId: NodeId;
  readonly clock: SimClock;
  readonly host: SimTaskHost;
  readonly snapshots: SnapshotMemory;

  constructor(options: Omit<SimTaskHostOptions, "clock"> & { readonly founding: Uint8Array }) {
    this.nodeId = options.nodeId;
    this.clock = new SimClock(options.time);
    this.snapshots = snapshotMemory([["founding", options.founding]]);
    this.host = new SimTaskHost({ ...options, clock: this.clock });
  }
}
