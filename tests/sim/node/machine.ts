import type { NodeId } from "../../../engine/lib/ids.ts";
import { SimClock } from "../world/sim-process.ts";
import { SimTaskHost, type SimTaskHostOptions } from "./sim-task-host.ts";

/** What of a node outlives its agent: its clocks, and the process that holds its tasks. */
export class Machine {
  readonly nodeId: NodeId;
  readonly clock: SimClock;
  readonly host: SimTaskHost;

  constructor(options: Omit<SimTaskHostOptions, "clock">) {
    this.nodeId = options.nodeId;
    this.clock = new SimClock(options.time);
    this.host = new SimTaskHost({ ...options, clock: this.clock });
  }
}
