import { assert } from "../../../engine/lib/assert.ts";
import type { Index, PeerId } from "../../../engine/lib/ids.ts";
import { EMPTY_CONF } from "../../../engine/raft/conf.ts";
import { digestOf } from "../../../engine/storage/snapshot-bytes.ts";
import { type Member, must } from "../checker.ts";
import { mustBeLinearizable } from "../checkers/linearizable.ts";
import { raftCheckers } from "../checkers.ts";
import { SimCluster } from "../cluster.ts";
import { foundingOf } from "../founding.ts";
import { Nemesis } from "../nemesis.ts";
import { Observer } from "../observer.ts";
import type { Limits, RunReport, Trace, World } from "../run.ts";
import type { SqliteDirectories } from "../sqlite/sqlite-backing.ts";
import { SimNetwork } from "../world/network.ts";
import type { SimProcess } from "../world/sim-process.ts";
import { SimRandom } from "../world/sim-random.ts";
import { VirtualTime } from "../world/virtual-time.ts";
import { Aftermath } from "./aftermath.ts";
import { CoreClients, PROBE_CLIENT } from "./core-clients.ts";
import { CoreDriver, ELECTION_TICKS } from "./core-driver.ts";
import { CORE_MENU, CoreFaults, MODEL_FAULTS } from "./core-faults.ts";
import { CoreOperator } from "./core-operator.ts";
import { type CoreProfile, coreProfile } from "./core-profile.ts";
import { CHUNK_BYTES, SnapshotShelf } from "./core-snapshots.ts";
import { CoreTransfers } from "./core-transfers.ts";
import { Registers } from "./registers.ts";

const FAULTY_MILLIS = 9_000;
/** How long clients go on in the calm. */
const LOUD_MILLIS = 4_000;
/** Election timeouts within which somebody leads. */
const ELECTIONS_MAX = 10;
/** A small window on a slow network may need this long to repair a whole log. */
const CALM_MILLIS_MAX = 40_000;
const STEP_MILLIS = 200;
const FOUNDING_BYTES = new Uint8Array(CHUNK_BYTES);
const FOUNDING_FILE = { bytes: CHUNK_BYTES, sha256: digestOf(FOUNDING_BYTES).sha256() };

/** The Raft core alone, on a bad disk and a bad network, with processes that die. */
export class CoreSimulation implements World {
  readonly #seed: number;
  readonly #directories: SqliteDirectories | null;
  readonly #time = new VirtualTime();
  readonly #profile: CoreProfile;
  readonly observer: Observer;
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #clients: CoreClients;
  readonly #operator: CoreOperator;
  readonly #transfers: CoreTransfers;
  readonly #faults: CoreFaults;
  readonly #nemesis: Nemesis;
  readonly #aftermath: Aftermath;
  readonly #faultyMillis: number;
  readonly #shelves = new Map<string, SnapshotShelf>();
  readonly #ticks: SimRandom;

  /** With `directories`, every log is on the real store; `lostSyncChance`: on disks that lie. */
  constructor(
    seed: number,
    trace: Trace,
    limits: Limits & {
      readonly directories?: SqliteDirectories;
      readonly lostSyncChance?: number;
    },
  ) {
    this.#seed = seed;
    this.#directories = limits.directories ?? null;
    const { disk, ...others } = coreProfile(new SimRandom(seed, "profile"));
    const profile = { ...others, disk: { ...disk, lostSyncChance: limits.lostSyncChance ?? 0 } };
    // A directory of the real store begins with a founding snapshot, and is as whole as it is.
    this.#profile = this.#directories === null ? profile : { ...profile, changeMillisMax: null };
    const menu = CORE_MENU.filter((fault) => {
      return this.#directories === null || !MODEL_FAULTS.includes(fault);
    });
    this.#ticks = new SimRandom(seed, "ticks");
    this.#faultyMillis = Math.min(FAULTY_MILLIS, limits.untilMillis ?? FAULTY_MILLIS);
    this.observer = this.#observe(trace);
    const network = new SimNetwork({
      time: this.#time,
      random: new SimRandom(seed, "network"),
      profile: this.#profile.network,
      onSend: (message) => this.observer.sent(message),
    });
    this.#cluster = new SimCluster({
      time: this.#time,
      observer: this.observer,
      network,
      boot: (member, process) => this.#boot(member, process),
    });
    const { coverage } = this.observer;
    this.#transfers = new CoreTransfers({
      network,
      coverage,
      driverOf: (peer) => this.#cluster.driver(peer),
      shelfOf: (peer) => this.#shelfOf(peer),
    });
    this.#clients = new CoreClients(this.#cluster, new SimRandom(seed, "workload"), this.#profile);
    this.#operator = new CoreOperator({
      cluster: this.#cluster,
      random: new SimRandom(seed, "operator"),
      changeMillisMax: this.#profile.changeMillisMax,
      addMachine: () => this.#addMachine(),
    });
    this.#aftermath = new Aftermath(this.#cluster, new SimRandom(seed, "aftermath"));
    const random = new SimRandom(seed, "nemesis");
    this.#faults = new CoreFaults({
      ...{ cluster: this.#cluster, random, transfers: this.#transfers },
      operator: this.#operator,
    });
    this.#nemesis = new Nemesis({
      ...{ cluster: this.#cluster, random, menu, limits },
      menuShare: 0.4,
      firstFaultMillis: [50, 1_500],
      pauseMillisMax: 1_500,
      longOutageChance: 0.2,
      longOutageMillis: [2_000, 3_500],
      canLose: (victims) => this.#operator.canLose(victims),
      act: (fault, victim) => this.#faults.act(fault, victim),
    });
  }

  get now(): number {
    return this.#time.now;
  }

  /** Faults, then calm in which everything must come right again. */
  run(): RunReport {
    for (const peer of this.#cluster.peers) this.#cluster.start(peer);
    this.#clients.start();
    this.#operator.start();
    this.#nemesis.start();
    this.#time.runUntil(this.#faultyMillis);
    this.#nemesis.stop();
    this.#faults.calm();
    this.#operator.calm();
    if (this.#profile.isSilentAtEnd) this.#clients.fallSilent();
    if (this.#operator.hasQuorum) this.#settleDown();
    else this.observer.coverage.stranded += 1;
    const { coverage, hash } = this.observer;
    coverage.undecided += mustBeLinearizable(this.#clients.history);
    return { seed: this.#seed, hash, millis: this.#time.now, coverage };
  }

  #settleDown(): void {
    this.#comeRight();
    if (this.#profile.isDisturbedAtEnd) {
      this.#aftermath.mustNotDisrupt({
        latestMillis: this.#profile.network.spikeMillisMax,
        electionMillis: this.#electionMillis,
      });
    }
    this.#serve();
    this.#aftermath.mustComeToRest();
  }

  get #electionMillis(): number {
    const { tickMillis, tickDrift } = this.#profile;
    return ELECTION_TICKS * tickMillis * tickDrift;
  }

  #comeRight(): void {
    this.#aftermath.mustElect(this.#time.now + ELECTIONS_MAX * this.#electionMillis);
    const end = this.#faultyMillis + CALM_MILLIS_MAX;
    while (this.#aftermath.trouble(LAG_MAX) !== "" && this.#time.now < end) {
      if (this.#time.now > this.#faultyMillis + LOUD_MILLIS) this.#clients.fallSilent();
      this.#time.runUntil(this.#time.now + STEP_MILLIS);
    }
    const trouble = this.#aftermath.trouble(LAG_MAX);
    must(trouble === "", "liveness", () => `after calm ${trouble}`);
  }

  /** A write and a read, now that all is well. */
  #serve(): void {
    this.#clients.fallSilent();
    this.#clients.probe(PROBE_CLIENT + 1);
    const end = this.#time.now + SERVE_MILLIS_MAX;
    while (this.#clients.open > 0 && this.#time.now < end) {
      this.#time.runUntil(this.#time.now + STEP_MILLIS);
    }
    must(this.#clients.open === 0, "liveness", () => {
      return `${this.#clients.open} commands and reads are not answered in a calm cluster`;
    });
  }

  #observe(trace: Trace): Observer {
    const { founderCount, disk, tickMillis, tickDrift } = this.#profile;
    const founding = foundingOf(founderCount, FOUNDING_FILE);
    const file = { meta: founding, bytes: FOUNDING_BYTES };
    const observer = new Observer({
      backingOf: (peer) => this.#directories?.open(peer, file, () => this.#time.now) ?? null,
      ...{ seed: this.#seed, time: this.#time, nodeCount: founderCount, disk, founding, trace },
    });
    const timing = {
      now: () => this.#time.now,
      electionTicks: ELECTION_TICKS,
      tickMillis: tickMillis * tickDrift,
    };
    observer.use(raftCheckers(observer.members, founding.conf, timing));
    return observer;
  }

  #addMachine(): Member {
    const member = this.observer.enlist(null);
    this.#cluster.enlist(member);
    this.#cluster.start(member.peerId);
    return member;
  }

  #boot(member: Member, process: SimProcess): CoreDriver {
    const { peerId, life, disk, store } = member;
    const { tickMillis, tickDrift } = this.#profile;
    const { observer } = this;
    return new CoreDriver({
      ...{ peerId, store, process, profile: this.#profile, coverage: observer.coverage },
      random: new SimRandom(this.#seed, `node ${peerId} life ${life}`),
      tickMillis: tickMillis * this.#ticks.between(1 / tickDrift, tickDrift),
      logStore: disk.open(process),
      shelf: this.#shelfOf(peerId),
      connect: (identity) => this.#cluster.network.open(peerId, process, identity),
      ship: (message, state, done) => this.#transfers.ship(message, state, done),
      chainAt: (index) => disk.written.chainAt(index) ?? 0,
      onApplied: (index, chain) => observer.appliedOne(peerId, index, chain),
      onState: (index, hash) => observer.stateHash(peerId, index, String(hash)),
      onRestoring: () => this.#faults.onRestoring(peerId),
      onRestored: (snapshot) => observer.restored(peerId, snapshot),
      onHalted: () => this.#faults.onHalted(peerId),
    });
  }

  /** The snapshot files on the disk that the node has now. */
  #shelfOf(peer: PeerId): SnapshotShelf {
    const member = this.observer.members[peer - 1];
    assert(member !== undefined, "every node is a member of the run");
    const key = `${peer} ${member.store}`;
    const known = this.#shelves.get(key);
    if (known !== undefined) return known;
    const shelf = new SnapshotShelf(Registers.at(0 as Index, EMPTY_CONF));
    const founding = foundingOf(this.#profile.founderCount, FOUNDING_FILE);
    const isFounder = member.store === 1 && peer <= this.#profile.founderCount;
    if (isFounder) shelf.put(founding.id, Registers.at(founding.index, founding.conf));
    this.#shelves.set(key, shelf);
    return shelf;
  }
}

/** What may be on its way while the workload goes on. */
const LAG_MAX = 64;
/** A small window on a slow network takes long to work off what was proposed before. */
const SERVE_MILLIS_MAX = 90_000;
