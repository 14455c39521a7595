import type { Index, PeerId, Term } from "../../../engine/lib/ids.ts";
import type { SnapshotMeta } from "../../../engine/raft/types.ts";
import { must } from "../checker.ts";
import { raftCheckers } from "../checkers.ts";
import { Observer } from "../observer.ts";
import { SimNetwork } from "../world/network.ts";
import { SimProcess } from "../world/sim-process.ts";
import { SimRandom } from "../world/sim-random.ts";
import { VirtualTime } from "../world/virtual-time.ts";
import { CoreDriver } from "./core-driver.ts";
import { CoreNemesis } from "./core-nemesis.ts";
import { type CoreProfile, coreProfile } from "./core-profile.ts";

const FAULTY_MILLIS = 9_000;
const CALM_MILLIS = 4_000;
const HISTORY_LINES = 400;

type CoreNode = {
  readonly peerId: PeerId;
  process: SimProcess | null;
  driver: CoreDriver | null;
};

export type RunReport = {
  readonly seed: number;
  readonly hash: number;
  readonly millis: number;
  readonly coverage: Observer["coverage"];
};

/** The Raft core alone, on a bad disk and a bad network, with processes that die. */
export class CoreSimulation {
  readonly time = new VirtualTime();
  readonly observer: Observer;
  readonly network: SimNetwork;
  readonly profile: CoreProfile;
  readonly nodes: readonly CoreNode[];
  readonly #seed: number;
  readonly #workload: SimRandom;
  readonly #nemesis: CoreNemesis;
  #proposals = 0;

  constructor(seed: number, trace: ((line: string) => void) | null = null) {
    this.#seed = seed;
    this.profile = coreProfile(new SimRandom(seed, "profile"));
    this.#workload = new SimRandom(seed, "workload");
    this.observer = new Observer({
      seed,
      time: this.time,
      nodeCount: this.profile.nodeCount,
      disk: this.profile.disk,
      founding: founding(this.profile.nodeCount),
      trace,
    });
    this.observer.use(raftCheckers(this.observer.members));
    this.network = new SimNetwork({
      time: this.time,
      random: new SimRandom(seed, "network"),
      profile: this.profile.network,
      onSend: (message) => this.observer.sent(message),
    });
    this.nodes = this.observer.members.map(({ peerId }) => ({
      peerId,
      process: null,
      driver: null,
    }));
    this.#nemesis = new CoreNemesis(this, new SimRandom(seed, "nemesis"));
  }

  /** Faults, then calm in which everything must come right again. */
  run(): RunReport {
    for (const { peerId } of this.nodes) this.start(peerId);
    this.#submitLater();
    this.#readLater();
    this.#nemesis.start();
    this.#runUntil(FAULTY_MILLIS);
    this.#nemesis.stop();
    this.#runUntil(FAULTY_MILLIS + CALM_MILLIS);
    this.#mustHaveConverged();
    const { coverage, hash } = this.observer;
    return { seed: this.#seed, hash, millis: this.time.now, coverage };
  }

  start(peerId: PeerId): void {
    const node = this.#node(peerId);
    const member = this.observer.members[peerId - 1];
    if (member === undefined || (node.process !== null && !node.process.isDead)) return;
    const process = new SimProcess({
      time: this.time,
      afterTurn: () => {
        const raft = node.process === process ? node.driver?.raft : null;
        if (raft !== null && raft !== undefined) this.observer.turned(peerId, raft.status());
      },
      onSuicide: () => {
        this.crash(peerId, "process");
        this.#nemesis.restartLater(peerId);
      },
    });
    node.process = process;
    this.observer.booted(peerId);
    node.driver = new CoreDriver({
      peerId,
      process,
      random: new SimRandom(this.#seed, `node ${peerId} life ${member.life}`),
      logStore: member.disk.open(process),
      transport: this.network.open(peerId, process),
      tickMillis: this.profile.tickMillis,
      onApplied: (from, to) => this.observer.applied(peerId, from, to),
    });
  }

  crash(peerId: PeerId, what: "process" | "machine"): void {
    const node = this.#node(peerId);
    if (node.process === null) return;
    node.process.die();
    node.process = null;
    node.driver = null;
    this.network.detach(peerId, what);
    this.observer.crashed(peerId, what === "machine" ? "loses power" : "is killed");
  }

  #runUntil(end: number): void {
    while (this.time.step(end)) {
      // Every event is checked where it happens: in the observer.
    }
    this.time.settle(end);
  }

  #node(peerId: PeerId): CoreNode {
    const node = this.nodes[peerId - 1];
    if (node === undefined) throw new Error(`no node ${peerId}`);
    return node;
  }

  #submitLater(): void {
    const random = this.#workload;
    this.time.after(random.between(1, this.profile.proposalMillisMax), () => {
      const node = random.pick(this.nodes);
      const burst = random.chance(0.1) ? random.below(40) : 1;
      for (let i = 0; i < burst; i++) {
        const data = payload(++this.#proposals, random);
        node.process?.run(() => {
          node.driver?.propose(data, (index) => this.observer.acked(index));
        });
      }
      this.#submitLater();
    });
  }

  #readLater(): void {
    this.time.after(this.#workload.between(20, 200), () => {
      const node = this.#workload.pick(this.nodes);
      const acked = this.observer.ackedIndex;
      node.process?.run(() => {
        node.driver?.read((index) => {
          if (index !== null) this.observer.read(acked, index);
        });
      });
      this.#readLater();
    });
  }

  #mustHaveConverged(): void {
    const { members } = this.observer;
    const leaders = members.filter(({ status }) => status?.role === "leader");
    must(leaders.length === 1, "liveness", () => `${leaders.length} leaders after calm`);
    const lead = leaders[0];
    for (const { nodeId, status } of members) {
      const lag = (lead?.status?.commit ?? 0) - (status?.applied ?? 0);
      must(lag < 64, "liveness", () => `${nodeId} is ${lag} entries behind after calm`);
    }
    const last = lead?.status?.term ?? 0;
    must(lead?.disk.written.termAt(lead.status?.commit ?? 0) === last, "liveness", () => {
      return `nothing of term ${last} is committed after calm`;
    });
  }
}

export function founding(nodeCount: number): SnapshotMeta {
  const voters = Array.from({ length: nodeCount }, (_, i) => (i + 1) as PeerId);
  return {
    index: 1 as Index,
    term: 1 as Term,
    conf: { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
    id: "founding",
    bytes: 0,
    sha256: "",
  };
}

function payload(number: number, random: SimRandom): Uint8Array {
  const bytes = new Uint8Array(8 + random.below(random.chance(0.02) ? 200_000 : 200));
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** Runs a seed; on failure once more, with its trace. Returns null when nothing was found. */
export function traceOf(
  seed: number,
): { readonly error: unknown; readonly lines: string[] } | null {
  const lines: string[] = [];
  try {
    new CoreSimulation(seed, (line) => lines.push(line)).run();
    return null;
  } catch (error) {
    return { error, lines: lines.slice(-HISTORY_LINES) };
  }
}
