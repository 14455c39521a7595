import type { PeerId } from "../../../engine/lib/ids.ts";
import type { CommandBody } from "../../../engine/state/command.ts";
import type { SimCluster } from "../cluster.ts";
import type { Fault } from "../fault.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { Machine } from "./machine.ts";
import type { SimNode } from "./sim-node.ts";

const UNDRAIN_MILLIS = 300;
/** Longer than it takes to hear that one's lease is gone. */
const CALM_PROGRAM_MILLIS = 1_000;

/** What can go wrong with a whole node and its machine, beyond its Raft. */
export function nodeFaults(
  cluster: SimCluster<SimNode>,
  machines: readonly Machine[],
  random: SimRandom,
) {
  const ask = (body: CommandBody): void => {
    const leader = cluster.leader();
    if (leader === null) return;
    cluster.within(leader, ({ replica }) => {
      replica.propose({ principal: "user/sim:admin", body }, () => {});
    });
  };
  const act = (fault: Fault, victim: PeerId): void => {
    const machine = machines[victim - 1];
    if (machine === undefined) return;
    if (fault === "transfer") transferTo(cluster, victim);
    if (fault === "kill-host") killHost(cluster, machine, random.between(20, 1_500));
    if (fault === "jump-clock") machine.clock.wallOffsetMillis += random.between(-2_000, 2_000);
    if (fault === "drain") {
      const deadlineMillis = Math.floor(random.between(10, 2_000));
      ask({ kind: "drain-node", nodeId: machine.nodeId, deadlineMillis, message: "" });
      cluster.time.after(random.between(200, 3_000), () => {
        ask({ kind: "undrain-node", nodeId: machine.nodeId });
      });
    }
  };
  const calm = (): void => {
    for (const { host } of machines) {
      host.restart();
      host.calm(CALM_PROGRAM_MILLIS);
    }
    undrainAll(cluster, ask);
  };
  return { act, calm, onHalted: (peer: PeerId) => restartHalted(cluster, peer, random) };
}

/** Its disk has failed: the process exits, and is started again. */
function restartHalted(cluster: SimCluster<SimNode>, peer: PeerId, random: SimRandom): void {
  const process = cluster.process(peer);
  cluster.observer.coverage.diskFailures += 1;
  cluster.time.after(random.between(0, 20), () => {
    if (cluster.process(peer) !== process) return;
    cluster.crash(peer, "process");
    cluster.time.after(random.between(1, 1_000), () => cluster.start(peer));
  });
}

function killHost(cluster: SimCluster<SimNode>, { host }: Machine, millis: number): void {
  host.crash();
  cluster.time.after(millis, () => host.restart());
}

function transferTo(cluster: SimCluster<SimNode>, to: PeerId): void {
  const leader = cluster.leader();
  if (leader === null) return;
  cluster.within(leader, ({ replica }) => replica.transferLeader(to, () => {}));
}

/** Until no node drains any more, whoever leads. */
function undrainAll(cluster: SimCluster<SimNode>, ask: (body: CommandBody) => void): void {
  const leader = cluster.leader();
  const view = leader === null ? undefined : cluster.driver(leader)?.replica.view;
  for (const node of view?.nodes.values() ?? []) {
    if (node.drain !== null) ask({ kind: "undrain-node", nodeId: node.id });
  }
  cluster.time.after(UNDRAIN_MILLIS, () => undrainAll(cluster, ask));
}
