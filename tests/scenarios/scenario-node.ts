import type { Index, PeerId, Term } from "../../engine/lib/ids.ts";
import { EMPTY_CONF } from "../../engine/raft/conf.ts";
import { confAfter } from "../../engine/raft/conf-after.ts";
import { createRaft } from "../../engine/raft/raft.ts";
import type {
  ConfState,
  Effects,
  Entry,
  HardState,
  Message,
  PersistJob,
  Raft,
  RaftConfig,
  SnapshotMeta,
} from "../../engine/raft/types.ts";
import { entryText, roleText } from "./etcd-text.ts";
import type { EntryText, HardStateText, SoftState } from "./scenario.ts";

/** What a node did during one command, in etcd's words. */
export type Observed = {
  soft: SoftState | null;
  hs: HardStateText | null;
  entries: EntryText[];
  committed: EntryText[];
};

type NodeOptions = {
  readonly config: RaftConfig;
  readonly conf: ConfState | null;
  readonly index: Index;
  readonly async: boolean;
};

/**
 * One core with a disk and a state machine that act only when a scenario says so. `process-ready`
 * takes once; in synchronous mode it also runs the disk and the state machine, then takes again:
 * the replies that waited for the disk leave, the rest opens the next `process-ready`.
 */
export class ScenarioNode {
  readonly id: PeerId;
  readonly raft: Raft;
  readonly #async: boolean;
  #ready: Effects[] = [];
  #log: Entry[] = [];
  #appendWork: PersistJob[] = [];
  #applyWork: (readonly Entry[])[] = [];
  #applied: SnapshotMeta;
  #soft: SoftState = { lead: 0, role: "StateFollower" };
  observed: Observed = nothing();

  constructor(options: NodeOptions) {
    this.id = options.config.id;
    this.#async = options.async;
    const snapshot = options.conf === null ? null : snapshotMeta(options.index, options.conf);
    this.#applied = snapshot ?? snapshotMeta(0 as Index, EMPTY_CONF);
    this.raft = createRaft(options.config, {
      hardState: null,
      snapshot,
      applied: options.index,
      termRuns: [],
      confEntries: [],
      tail: [],
      lastIndex: options.index,
      damaged: false,
    });
  }

  get log(): readonly EntryText[] {
    return this.#log.map(entryText);
  }

  /** The newest state that could be shipped to another node. */
  get snapshot(): SnapshotMeta {
    return this.#applied;
  }

  get hasAppendWork(): boolean {
    return this.#appendWork.length > 0;
  }

  get hasApplyWork(): boolean {
    return this.#applyWork.length > 0;
  }

  forgetObserved(): void {
    this.observed = nothing();
  }

  hasReady(): boolean {
    this.#poll();
    return this.#ready.length > 0;
  }

  /** What leaves the node. */
  processReady(): readonly Message[] {
    this.#poll();
    const ready = this.#ready;
    this.#ready = [];
    for (const effects of ready) this.#accept(effects);
    this.#queueWork(ready);
    const messages = ready.flatMap((effects) => this.#outgoing(effects));
    if (this.#async) return messages;
    while (this.hasAppendWork) this.#write();
    while (this.hasApplyWork) this.#apply();
    return [...messages, ...this.#releaseReplies()];
  }

  processAppendThread(): readonly Message[] {
    this.#write();
    return this.#releaseReplies();
  }

  processApplyThread(): void {
    this.#apply();
  }

  /** Drops the log up to and including `index`. */
  compact(index: Index): void {
    this.#log = this.#log.filter((entry) => entry.index > index);
    const keepFrom = (index + 1) as Index;
    this.raft.input({ kind: "snapshot-created", snapshot: this.#applied, keepFrom });
  }

  #poll(): void {
    const effects = this.raft.take();
    if (effects !== null) this.#ready.push(effects);
  }

  #accept(effects: Effects): void {
    if (effects.role !== null) this.#noteSoft(effects.role);
    if (effects.persist !== null) this.#noteJob(effects.persist);
    if (effects.restore !== null) this.#restore(effects.restore);
    this.observed.committed.push(...effects.apply.map(entryText));
    for (const { id, lo, hi } of effects.fetch) {
      const result = this.#log.filter(({ index }) => index >= lo && index < hi);
      this.raft.input({ kind: "fetched", id, result });
    }
  }

  /** What etcd calls one Ready is one piece of work for each thread, however often we took. */
  #queueWork(ready: readonly Effects[]): void {
    const jobs = ready.flatMap(({ persist }) => persist ?? []);
    const apply = ready.flatMap((effects) => effects.apply);
    const job = jobs.reduce<PersistJob | null>(mergeJobs, null);
    if (job !== null) this.#appendWork.push(job);
    if (apply.length > 0) this.#applyWork.push(apply);
  }

  #noteSoft({ role, leader }: NonNullable<Effects["role"]>): void {
    const soft = { lead: Number(leader), role: roleText(role) };
    if (soft.lead === this.#soft.lead && soft.role === this.#soft.role) return;
    this.#soft = soft;
    this.observed.soft = soft;
  }

  #noteJob(job: PersistJob): void {
    if (job.hardState !== null) this.observed.hs = hardStateText(job.hardState);
    this.observed.entries.push(...job.entries.map(entryText));
  }

  #outgoing(effects: Effects): readonly Message[] {
    const snapshots = effects.sendSnapshots.map(({ to, session, snapshot }): Message => {
      const { term } = this.raft.status();
      return { kind: "snapshot", from: this.id, to, term, session, snapshot };
    });
    return [...effects.messages, ...snapshots];
  }

  #write(): void {
    const job = this.#appendWork.shift();
    if (job === undefined) return;
    if (job.snapshot !== null) this.#log = [];
    const first = job.entries[0]?.index;
    if (first !== undefined) this.#log = this.#log.filter(({ index }) => index < first);
    this.#log.push(...job.entries);
    this.raft.persisted(job.seq);
  }

  #apply(): void {
    const entries = this.#applyWork.shift();
    const last = entries?.at(-1);
    if (entries === undefined || last === undefined) return;
    const conf = entries.reduce(confAfter, this.#applied.conf);
    this.#applied = { ...snapshotMeta(last.index, conf), term: last.term };
    this.raft.applied(last.index);
    const keepFrom = this.raft.status().firstIndex;
    this.raft.input({ kind: "snapshot-created", snapshot: this.#applied, keepFrom });
  }

  #restore(snapshot: SnapshotMeta): void {
    this.#applied = snapshot;
    this.raft.applied(snapshot.index);
  }

  /** Replies that waited for the disk leave at once; everything else waits its turn. */
  #releaseReplies(): readonly Message[] {
    const effects = this.raft.take();
    if (effects === null) return [];
    const replies = effects.messages.filter(isReply);
    const rest = { ...effects, messages: effects.messages.filter((each) => !isReply(each)) };
    if (!isIdle(rest)) this.#ready.push(rest);
    return replies;
  }
}

const isReply = ({ kind }: Message): boolean => kind === "append-reply" || kind === "vote-reply";

const isIdle = (effects: Effects): boolean =>
  Object.values(effects).every(
    (part) => part === null || part === 0 || (Array.isArray(part) && part.length === 0),
  );

const nothing = (): Observed => ({ soft: null, hs: null, entries: [], committed: [] });

function mergeJobs(first: PersistJob | null, second: PersistJob): PersistJob {
  if (first === null) return second;
  const from = second.entries[0]?.index ?? Number.POSITIVE_INFINITY;
  const kept = second.snapshot === null ? first.entries.filter(({ index }) => index < from) : [];
  return {
    seq: second.seq,
    hardState: second.hardState ?? first.hardState,
    entries: [...kept, ...second.entries],
    snapshot: second.snapshot ?? first.snapshot,
    fsync: first.fsync || second.fsync,
  };
}

const hardStateText = ({ term, votedFor, commit }: HardState): HardStateText => ({
  term,
  vote: votedFor,
  commit,
});

function snapshotMeta(index: Index, conf: ConfState): SnapshotMeta {
  return { index, term: 1 as Term, conf, id: `s${index}`, bytes: 0, sha256: "" };
}
