import type { Index, PeerId, Term } from "../lib/ids.ts";
import { confAfter } from "./conf-after.ts";
import { createRaft } from "./raft.ts";
import type {
  Boot,
  ConfState,
  Effects,
  Entry,
  Message,
  PersistJob,
  Raft,
  RaftConfig,
  SnapshotMeta,
} from "./types.ts";

export const peer = (id: number): PeerId => id as PeerId;
export const at = (index: number): Index => index as Index;
export const inTerm = (term: number): Term => term as Term;
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

export function conf(voters: readonly number[], learners: readonly number[] = []): ConfState {
  return {
    voters: voters.map(peer),
    votersOutgoing: [],
    learners: learners.map(peer),
    learnersNext: [],
    autoLeave: false,
  };
}

export function snapshotAt(index: number, state: ConfState): SnapshotMeta {
  const id = `s${index}`;
  return { index: at(index), term: inTerm(1), conf: state, id, bytes: 0, sha256: "" };
}

export function bootFrom(snapshot: SnapshotMeta | null): Boot {
  return {
    hardState: null,
    snapshot,
    applied: snapshot?.index ?? at(0),
    termRuns: [],
    confEntries: [],
    tail: [],
    lastIndex: snapshot?.index ?? at(0),
    damaged: false,
  };
}

/** How a core comes to be: recorded, for instance. */
export type Create = (config: RaftConfig, boot: Boot) => Raft;

/** One node with a disk that keeps what was written, and hands of its own: nothing is automatic. */
export class TestNode {
  raft: Raft;
  readonly config: RaftConfig;
  readonly applied: Entry[] = [];
  readonly seen: Effects[] = [];
  readonly unwritten: PersistJob[] = [];
  disk: Entry[] = [];
  boot: Boot;
  /** Of the state machine: what a snapshot of now would carry. */
  state: SnapshotMeta;

  readonly #create: Create;

  constructor(config: RaftConfig, boot: Boot, create: Create = createRaft) {
    this.config = config;
    this.#create = create;
    this.boot = boot;
    this.state = boot.snapshot ?? snapshotAt(0, conf([]));
    this.raft = create(config, boot);
  }

  get id(): PeerId {
    return this.config.id;
  }

  /** Takes once; the job waits in `unwritten` until `sync`. */
  take(): readonly Message[] {
    const effects = this.raft.take();
    if (effects === null) return [];
    this.seen.push(effects);
    if (effects.persist !== null) this.unwritten.push(effects.persist);
    const last = effects.apply.at(-1);
    for (const entry of effects.apply) this.#apply(entry);
    if (last !== undefined) this.raft.applied(last.index);
    if (effects.restore !== null) {
      this.state = effects.restore;
      this.raft.applied(effects.restore.index);
    }
    const { truncateLogBefore } = effects;
    this.disk = this.disk.filter(({ index }) => index >= truncateLogBefore);
    for (const { id, lo, hi } of effects.fetch) {
      const result = this.disk.filter(({ index }) => index >= lo && index < hi);
      this.raft.input({ kind: "fetched", id, result });
    }
    return [...effects.messages, ...snapshotMessages(this, effects)];
  }

  #apply(entry: Entry): void {
    this.applied.push(entry);
    const { index, term } = entry;
    this.state = { ...this.state, index, term, conf: confAfter(this.state.conf, entry) };
  }

  /** Writes a snapshot of what is applied and keeps `tail` entries before it. */
  makeSnapshot(tail = 0): void {
    if (this.state.index <= (this.boot.snapshot?.index ?? 0)) return;
    this.boot = { ...this.boot, snapshot: this.state };
    const keepFrom = at(this.state.index + 1 - tail);
    this.raft.input({ kind: "snapshot-created", snapshot: this.state, keepFrom });
  }

  /** Makes the first `count` waiting jobs durable. */
  sync(count = Number.POSITIVE_INFINITY): void {
    for (const job of this.unwritten.splice(0, count)) {
      this.write(job);
      this.raft.persisted(job.seq);
    }
  }

  write(job: PersistJob): void {
    const first = job.entries[0]?.index;
    if (job.snapshot !== null) {
      this.disk = [];
      this.boot = { ...this.boot, snapshot: job.snapshot };
    }
    if (first !== undefined) this.disk = this.disk.filter(({ index }) => index < first);
    this.disk.push(...job.entries);
    this.boot = { ...this.boot, hardState: job.hardState ?? this.boot.hardState };
  }

  /** Kills the process: what was not written is gone, the state machine starts from its snapshot. */
  restart(damaged = false): void {
    this.unwritten.length = 0;
    const snapshotIndex = this.boot.snapshot?.index ?? at(0);
    this.state = this.boot.snapshot ?? snapshotAt(0, conf([]));
    const kept = this.disk.filter(({ index }) => index > snapshotIndex);
    const termRuns = kept
      .filter((entry, place) => entry.term !== kept[place - 1]?.term)
      .map(({ index, term }) => ({ from: index, term }));
    this.boot = {
      ...this.boot,
      applied: snapshotIndex,
      termRuns,
      confEntries: kept.filter(({ kind }) => kind === "conf"),
      tail: kept,
      lastIndex: kept.at(-1)?.index ?? snapshotIndex,
      damaged,
    };
    this.applied.length = 0;
    this.raft = this.#create(this.config, this.boot);
  }

  lastRead(): Effects["reads"][number] | undefined {
    return this.seen.flatMap(({ reads }) => reads).at(-1);
  }
}

/** The bytes of a snapshot travel outside the core; here they arrive at once. */
const snapshotMessages = (node: TestNode, effects: Effects): readonly Message[] =>
  effects.sendSnapshots.map(({ to, session, snapshot }) => ({
    kind: "snapshot",
    from: node.id,
    to,
    term: node.raft.status().term,
    session,
    snapshot,
  }));

/** Several nodes, instant delivery and instant disks, and a switch per link. */
export class TestCluster {
  readonly nodes = new Map<PeerId, TestNode>();
  readonly #cut = new Set<string>();
  readonly queue: Message[] = [];
  /** While true, snapshots stay under way. */
  holdsSnapshots = false;

  constructor(ids: readonly number[], options: Partial<RaftConfig> = {}) {
    for (const id of ids) this.add(id, bootFrom(snapshotAt(1, conf(ids))), options);
  }

  add(id: number, boot: Boot, options: Partial<RaftConfig> = {}): TestNode {
    const node = new TestNode(
      { id: peer(id), electionTicks: 10, heartbeatTicks: 1, rng: { below: () => id }, ...options },
      boot,
    );
    this.nodes.set(peer(id), node);
    return node;
  }

  node(id: number): TestNode {
    const node = this.nodes.get(peer(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  raft(id: number): Raft {
    return this.node(id).raft;
  }

  /** From now on nothing passes from `from` to `to`. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: number): void {
    for (const other of this.nodes.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Runs disks and network until nothing moves. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      let moved = false;
      for (const node of this.nodes.values()) {
        const seen = node.seen.length;
        this.queue.push(...node.take());
        node.sync();
        moved ||= node.seen.length > seen;
      }
      moved ||= this.queue.length > 0;
      this.deliver();
      if (!moved) return;
    }
    throw new Error("the cluster does not settle");
  }

  deliver(): void {
    for (const message of this.queue.splice(0)) {
      if (this.#cut.has(`${message.from}>${message.to}`)) continue;
      if (this.holdsSnapshots && message.kind === "snapshot") continue;
      this.nodes.get(message.to)?.raft.step(message);
    }
  }

  elect(id: number): void {
    this.raft(id).input({ kind: "campaign" });
    this.settle();
    if (this.raft(id).status().role !== "leader") throw new Error(`${id} was not elected`);
  }

  propose(id: number, ...entries: readonly string[]): Index {
    const result = this.raft(id).propose(entries.map(bytes));
    if (!result.ok) throw new Error(`refused: ${result.reason}`);
    return result.last;
  }

  tick(times = 1): void {
    for (let i = 0; i < times; i++) {
      for (const node of this.nodes.values()) node.raft.tick();
      this.settle();
    }
  }
}
