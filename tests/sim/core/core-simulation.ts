import type { PeerId } from "../../../engine/lib/ids.ts";
import { type Member, must } from "../checker.ts";
import { raftCheckers } from "../checkers.ts";
import { SimCluster } from "../cluster.ts";
import { foundingMeta } from "../founding.ts";
import { type Fault, Nemesis } from "../nemesis.ts";
import { Observer } from "../observer.ts";
import type { RunReport, Trace } from "../run.ts";
import { SimNetwork } from "../world/network.ts";
import type { SimProcess } from "../world/sim-process.ts";
import { SimRandom } from "../world/sim-random.ts";
import { VirtualTime } from "../world/virtual-time.ts";
import { CoreDriver, ELECTION_TICKS } from "./core-driver.ts";
import { type CoreProfile, coreProfile } from "./core-profile.ts";

const FAULTY_MILLIS = 9_000;
const CALM_MILLIS = 4_000;
/** A small window on a slow network may need this long to repair a whole log. */
const CALM_MILLIS_MAX = 40_000;

const MENU: readonly Fault[] = [
  "kill",
  "power",
  "die-mid-turn",
  "freeze",
  "isolate",
  "split",
  "one-way",
  "stall",
  "transfer",
  "power-all",
  "damage",
];

/** The Raft core alone, on a bad disk and a bad network, with processes that die. */
export class CoreSimulation {
  readonly #seed: number;
  readonly #time = new VirtualTime();
  readonly #profile: CoreProfile;
  readonly #observer: Observer;
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #workload: SimRandom;
  readonly #nemesis: Nemesis;
  #proposals = 0;
  #isSilent = false;

  constructor(seed: number, trace: Trace = null) {
    this.#seed = seed;
    this.#profile = coreProfile(new SimRandom(seed, "profile"));
    this.#workload = new SimRandom(seed, "workload");
    this.#observer = this.#observe(trace);
    const network = new SimNetwork({
      time: this.#time,
      random: new SimRandom(seed, "network"),
      profile: this.#profile.network,
      onSend: (message) => this.#observer.sent(message),
    });
    this.#cluster = new SimCluster({
      time: this.#time,
      observer: this.#observer,
      network,
      boot: (member, process) => this.#boot(member, process),
    });
    this.#nemesis = new Nemesis({
      cluster: this.#cluster,
      random: new SimRandom(seed, "nemesis"),
      menu: MENU,
      menuShare: 0.6,
      firstFaultMillis: [50, 1_500],
      pauseMillisMax: 1_500,
      longOutageChance: 0.2,
      longOutageMillis: [2_000, 3_500],
      act: (fault, victim) => {
        if (fault === "transfer") this.#transferTo(victim);
      },
    });
  }

  /** Faults, then calm in which everything must come right again. */
  run(): RunReport {
    for (const peer of this.#cluster.peers) this.#cluster.start(peer);
    this.#submitLater();
    this.#readLater();
    this.#nemesis.start();
    this.#time.runUntil(FAULTY_MILLIS);
    this.#nemesis.stop();
    this.#isSilent = this.#profile.isSilentAtEnd;
    this.#time.runUntil(FAULTY_MILLIS + CALM_MILLIS);
    while (this.#trouble() !== "" && this.#time.now < FAULTY_MILLIS + CALM_MILLIS_MAX) {
      this.#isSilent = true;
      this.#time.runUntil(this.#time.now + CALM_MILLIS);
    }
    must(this.#trouble() === "", "liveness", () => `after calm ${this.#trouble()}`);
    const { coverage, hash } = this.#observer;
    return { seed: this.#seed, hash, millis: this.#time.now, coverage };
  }

  #observe(trace: Trace): Observer {
    const { nodeCount, disk, tickMillis } = this.#profile;
    const observer = new Observer({
      seed: this.#seed,
      time: this.#time,
      nodeCount,
      disk,
      founding: foundingMeta(nodeCount),
      trace,
    });
    const now = (): number => this.#time.now;
    observer.use(
      raftCheckers(observer.members, { now, electionTicks: ELECTION_TICKS, tickMillis }),
    );
    return observer;
  }

  #boot(member: Member, process: SimProcess): CoreDriver {
    const { peerId, life, disk } = member;
    return new CoreDriver({
      peerId,
      process,
      random: new SimRandom(this.#seed, `node ${peerId} life ${life}`),
      logStore: disk.open(process),
      transport: this.#cluster.network.open(peerId, process),
      profile: this.#profile,
      onApplied: (from, to) => this.#observer.applied(peerId, from, to),
    });
  }

  #transferTo(to: PeerId): void {
    const leader = this.#cluster.leader();
    if (leader !== null) this.#cluster.within(leader, (driver) => driver.transfer(to));
  }

  #submitLater(): void {
    const random = this.#workload;
    this.#time.after(random.between(1, this.#profile.proposalMillisMax), () => {
      if (this.#isSilent) return;
      const peer = random.pick(this.#cluster.peers);
      const burst = random.chance(0.1) ? random.below(40) : 1;
      for (let i = 0; i < burst; i++) {
        const data = payload(++this.#proposals, random);
        this.#cluster.within(peer, (driver) => {
          driver.propose(data, (index) => this.#observer.acked(index, { kind: "entry" }));
        });
      }
      this.#submitLater();
    });
  }

  #readLater(): void {
    this.#time.after(this.#workload.between(20, 200), () => {
      const acked = this.#observer.ackedIndex;
      this.#cluster.within(this.#workload.pick(this.#cluster.peers), (driver) => {
        driver.read((index) => {
          if (index !== null) this.#observer.read(acked, index);
        });
      });
      this.#readLater();
    });
  }

  /** Empty when there is one leader, something of its term committed, and everybody with it. */
  #trouble(): string {
    const { members } = this.#observer;
    const leaders = members.filter(({ status }) => status?.role === "leader");
    const leader = leaders[0];
    if (leader === undefined || leaders.length > 1) return `${leaders.length} nodes lead`;
    const { term, commit } = leader.status ?? { term: 0, commit: 0 };
    if (leader.disk.written.termAt(commit) !== term) return `nothing of term ${term} is committed`;
    const late = members.find(({ status }) => commit - (status?.applied ?? 0) > LAG_MAX);
    return late === undefined ? "" : `${late.nodeId} has applied ${late.status?.applied}`;
  }
}

/** What may be on its way while the workload goes on. */
const LAG_MAX = 64;

function payload(number: number, random: SimRandom): Uint8Array {
  const bytes = new Uint8Array(8 + random.below(random.chance(0.02) ? 200_000 : 200));
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
