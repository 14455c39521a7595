import { type Index, NOBODY, type PeerId, type Term } from "../../engine/lib/ids.ts";
import { EMPTY_CONF, isVoter } from "../../engine/raft/conf.ts";
import { confAfter } from "../../engine/raft/conf-after.ts";
import { createRaft } from "../../engine/raft/raft.ts";
import type {
  ConfState,
  Effects,
  Entry,
  Message,
  PersistJob,
  Raft,
  RaftConfig,
  Seq,
  SnapshotMeta,
} from "../../engine/raft/types.ts";
import { entryText, hardStateText, roleText, wireBytes } from "./etcd-text.ts";
import type { EntryText, HardStateText, SoftState } from "./scenario.ts";

/** What a node did during one command, in etcd's words. */
export type Observed = {
  soft: SoftState | null;
  hs: HardStateText | null;
  readonly entries: EntryText[];
  readonly committed: EntryText[];
};

type NodeOptions = {
  readonly config: RaftConfig;
  readonly conf: ConfState | null;
  readonly index: Index;
  readonly async: boolean;
  readonly maxCommittedBytes: number;
};

/** What a thread did: what leaves now, and what the node itself is told when mail is delivered. */
export type Done = { readonly replies: readonly Message[]; readonly tell: () => void };

type AppendWork = { readonly job: PersistJob | null; readonly replies: readonly Message[] };

/**
 * One core with a disk and a state machine that act only when a scenario says so. A `process-ready`
 * is all that was taken since the last one; in synchronous mode it also runs the disk and the state
 * machine, and the replies that waited for the disk leave with it.
 */
export class ScenarioNode {
  readonly id: PeerId;
  readonly #raft: Raft;
  readonly #options: NodeOptions;
  /** Taken from the core, for the next `process-ready`. */
  #taken: Effects[] = [];
  /** Handed out by the core, not yet by this node. */
  #committed: Entry[] = [];
  #log: Entry[] = [];
  /** The log on disk ends here; the node has been told so up to `#told`. */
  #written: Index;
  #told: Index;
  #persisted: Seq = 0;
  #appendWork: AppendWork[] = [];
  #applyWork: (readonly Entry[])[] = [];
  #applied: SnapshotMeta;
  #soft: SoftState = { lead: 0, role: "StateFollower" };
  #ticksSinceLeader = 0;
  observed: Observed = nothing();

  constructor(options: NodeOptions) {
    const { config, conf, index } = options;
    this.id = config.id;
    this.#options = options;
    const snapshot = conf === null ? null : snapshotMeta(index, conf);
    this.#applied = snapshot ?? snapshotMeta(0 as Index, EMPTY_CONF);
    this.#written = index;
    this.#told = index;
    this.#raft = createRaft(config, {
      hardState: null,
      snapshot,
      applied: index,
      termRuns: [],
      confEntries: [],
      tail: [],
      lastIndex: index,
      damaged: false,
    });
  }

  get status(): ReturnType<Raft["status"]> {
    return this.#raft.status();
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

  /** By the configuration that is applied, as in etcd; that of a snapshot counts on arrival. */
  get isVoter(): boolean {
    const { conf, firstIndex } = this.status;
    const isReplaced = firstIndex - 1 > this.#applied.index;
    return isVoter(isReplaced ? conf : this.#applied.conf, this.id);
  }

  forgetObserved(): void {
    this.observed = nothing();
  }

  /** etcd's leader sends as soon as it is asked, not when somebody takes: a message an input. */
  input<Result>(action: (raft: Raft) => Result): Result {
    const result = action(this.#raft);
    if (this.status.role === "leader") this.#poll();
    return result;
  }

  tick(): void {
    this.#ticksSinceLeader += 1;
    this.input((raft) => raft.tick());
  }

  step(message: Message): void {
    if (this.#isLeaderOutOfTurn(message)) return;
    const isLeading = ["append", "heartbeat", "snapshot"].includes(message.kind);
    if (isLeading && message.term >= this.status.term) this.#ticksSinceLeader = 0;
    this.input((raft) => raft.step(message));
  }

  hasReady(): boolean {
    this.#poll();
    return this.#taken.length > 0 || this.#ripe().length > 0;
  }

  /** What leaves the node. */
  processReady(): readonly Message[] {
    this.#poll();
    const { commit } = this.status;
    const taken = this.#taken;
    this.#taken = [];
    this.#noteSoft(taken);
    const job = taken
      .flatMap(({ persist }) => persist ?? [])
      .reduce<PersistJob | null>(mergeJobs, null);
    if (job !== null) this.#noteJob(job);
    const messages = taken.flatMap((effects) => this.#outgoing(effects));
    if (this.#options.async) return this.#startThreads(job, messages);
    const replies = job === null ? [] : this.#release(this.#write(job));
    this.#handOut(this.#ripe(commit));
    while (this.hasApplyWork) this.processApplyThread()?.tell();
    return [...messages, ...replies];
  }

  #startThreads(job: PersistJob | null, messages: readonly Message[]): readonly Message[] {
    const replies = messages.filter(isReply);
    if (job !== null || replies.length > 0) this.#appendWork.push({ job, replies });
    this.#handOut(this.#ripe());
    return messages.filter((message) => !isReply(message));
  }

  /**
   * A follower's replies leave with the write. Whether its own entries count for a leader, or its
   * own vote for a candidate, it learns when it is told.
   */
  processAppendThread(): Done | null {
    const work = this.#appendWork.shift();
    if (work === undefined) return null;
    const seq = work.job === null ? this.#persisted : this.#write(work.job);
    const last = this.#written;
    const isFollower = this.status.role === "follower";
    const released = isFollower ? this.#release(seq) : [];
    const tell = (): void => {
      this.#told = lesser(greater(this.#told, last), this.#written);
      if (seq > this.#persisted) this.input((raft) => raft.persisted(seq));
      this.#persisted = Math.max(this.#persisted, seq);
    };
    return { replies: [...work.replies, ...released], tell };
  }

  processApplyThread(): Done | null {
    const entries = this.#applyWork.shift();
    const last = entries?.at(-1);
    if (entries === undefined || last === undefined) return null;
    const conf = entries.reduce(confAfter, this.#applied.conf);
    const applied = { ...snapshotMeta(last.index, conf), term: last.term };
    this.#applied = applied;
    const tell = (): void =>
      this.input((raft) => {
        raft.applied(last.index);
        const { firstIndex: keepFrom } = raft.status();
        raft.input({ kind: "snapshot-created", snapshot: applied, keepFrom });
      });
    return { replies: [], tell };
  }

  /** Drops the log up to and including `index`. */
  compact(index: Index): void {
    this.#log = this.#log.filter((entry) => entry.index > index);
    const keepFrom = (index + 1) as Index;
    this.#raft.input({ kind: "snapshot-created", snapshot: this.#applied, keepFrom });
  }

  /** A follower of etcd's does not vote for the very leader it still hears; ours does (P21). */
  #isLeaderOutOfTurn(message: Message): boolean {
    const { leader, term, role } = this.status;
    if (message.kind !== "vote" || message.transfer || message.term <= term) return false;
    const { checkQuorum, electionTicks } = this.#options.config;
    const isItsLeader = leader !== NOBODY && message.from === leader && role === "follower";
    return checkQuorum === true && isItsLeader && this.#ticksSinceLeader < electionTicks;
  }

  #poll(): void {
    for (let effects = this.#raft.take(); effects !== null; effects = this.#raft.take()) {
      this.#taken.push(this.#accept(effects));
    }
  }

  #accept(effects: Effects): Effects {
    this.#committed.push(...effects.apply);
    if (effects.restore !== null) this.#restore(effects.restore);
    for (const { id, lo, hi } of effects.fetch) {
      const kept = this.#log.filter(({ index }) => index >= lo && index < hi);
      const result = kept[0]?.index === lo ? kept : "compacted";
      this.#raft.input({ kind: "fetched", id, result });
    }
    return effects;
  }

  #restore(snapshot: SnapshotMeta): void {
    this.#applied = snapshot;
    this.#committed = this.#committed.filter(({ index }) => index > snapshot.index);
    this.#raft.applied(snapshot.index);
  }

  #noteSoft(taken: readonly Effects[]): void {
    const last = taken.findLast(({ role }) => role !== null)?.role;
    if (last === undefined || last === null) return;
    const soft = { lead: Number(last.leader), role: roleText(last.role) };
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
      const { term } = this.status;
      return { kind: "snapshot", from: this.id, to, term, session, snapshot };
    });
    return [...effects.messages, ...snapshots];
  }

  #write(job: PersistJob): Seq {
    if (job.snapshot !== null) this.#log = [];
    const first = job.entries[0]?.index;
    if (first !== undefined) this.#log = this.#log.filter(({ index }) => index < first);
    this.#log.push(...job.entries);
    this.#written = job.entries.at(-1)?.index ?? job.snapshot?.index ?? this.#written;
    return job.seq;
  }

  /** The core hears that job `seq` is on disk. Replies leave at once; the rest waits its turn. */
  #release(seq: Seq): readonly Message[] {
    if (seq <= this.#persisted) return [];
    this.#persisted = seq;
    this.#raft.persisted(seq);
    const before = this.#taken;
    this.#taken = [];
    this.#poll();
    const replies = this.#taken.flatMap(({ messages }) => messages.filter(isReply));
    const rest = this.#taken.map(withoutReplies).filter((effects) => !isIdle(effects));
    this.#taken = [...before, ...rest];
    return replies;
  }

  /**
   * Committed entries that may be handed out now: not more than asked for at once, and with threads
   * only what the node was told is on its disk.
   */
  #ripe(upTo: Index = this.status.commit): readonly Entry[] {
    const { async, maxCommittedBytes } = this.#options;
    const limit = async ? lesser(upTo, this.#told) : upTo;
    let bytes = this.#applyWork.flat().reduce((sum, entry) => sum + wireBytes(entry), 0);
    if (bytes >= maxCommittedBytes) return [];
    const ripe: Entry[] = [];
    for (const entry of this.#committed) {
      bytes += wireBytes(entry);
      if (entry.index > limit || (bytes > maxCommittedBytes && ripe.length > 0)) break;
      ripe.push(entry);
    }
    return ripe;
  }

  #handOut(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.#committed = this.#committed.slice(entries.length);
    this.observed.committed.push(...entries.map(entryText));
    this.#applyWork.push(entries);
  }
}

const isReply = ({ kind }: Message): boolean => kind === "append-reply" || kind === "vote-reply";

const withoutReplies = (effects: Effects): Effects => ({
  ...effects,
  messages: effects.messages.filter((message) => !isReply(message)),
});

/** Entries to apply and a restored snapshot are noted when they are taken: they make no work. */
const isIdle = ({ apply: _apply, restore: _restore, ...rest }: Effects): boolean =>
  Object.values(rest).every(
    (part) => part === null || part === 0 || (Array.isArray(part) && part.length === 0),
  );

const nothing = (): Observed => ({ soft: null, hs: null, entries: [], committed: [] });

const lesser = (a: Index, b: Index): Index => (a < b ? a : b);
const greater = (a: Index, b: Index): Index => (a > b ? a : b);

/** What etcd calls one Ready is one piece of work, however often we took. */
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

function snapshotMeta(index: Index, conf: ConfState): SnapshotMeta {
  return { index, term: 1 as Term, conf, id: `s${index}`, bytes: 0, sha256: "" };
}
