import { setDefaultTimeout } from "bun:test";
import type { NodeId } from "../../engine/lib/ids.ts";
import { scriptCommand } from "../sim/node/sim-task.ts";
import { SimTaskHost } from "../sim/node/sim-task-host.ts";
import { SimClock, SimProcess } from "../sim/world/sim-process.ts";
import { SimRandom } from "../sim/world/sim-random.ts";
import { VirtualTime } from "../sim/world/virtual-time.ts";
import { type TaskHostWorld, taskHostContract } from "./task-host.ts";
import { HostLab } from "./task-host-lab.ts";

// Real processes and containers, on machines that do much else.
setDefaultTimeout(30_000);

taskHostContract("real", async () => new HostLab("process"));
taskHostContract("simulated", async () => simulatedWorld());

const STEP_MILLIS = 5;
const UNTIL_MILLIS = 60_000;

/** Virtual time that goes on by itself, in steps, so that a test can await what happens in it. */
function simulatedWorld(): TaskHostWorld {
  const time = new VirtualTime();
  const clock = new SimClock(time);
  const host = new SimTaskHost({
    nodeId: "n1" as NodeId,
    time,
    random: new SimRandom(1, "contract"),
    clock,
    onStarted: () => undefined,
    onEnded: () => undefined,
  });
  const steps = setInterval(() => time.runUntil(time.now + STEP_MILLIS), 0);
  const ignore = () => undefined;
  return {
    connect: () => host.connect(new SimProcess({ time, afterTurn: ignore, onSuicide: ignore })),
    bootMillis: () => clock.monotonicMillis(),
    until: async (holds) => {
      const deadline = time.now + UNTIL_MILLIS;
      while (!holds()) {
        if (time.now > deadline) throw new Error("it did not come true in a minute of the run");
        time.runUntil(time.now + STEP_MILLIS);
        await Promise.resolve();
      }
    },
    exits: (exitCode) => scriptCommand({ runMillis: 50, exitCode, obeysTerm: true }),
    runsOn: scriptCommand({ runMillis: 600_000, exitCode: 0, obeysTerm: true }),
    tearDown: async () => clearInterval(steps),
  };
}
