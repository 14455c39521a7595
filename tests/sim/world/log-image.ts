import { assert } from "../../../engine/lib/assert.ts";
import type { Index, Term } from "../../../engine/lib/ids.ts";
import type {
  Boot,
  Entry,
  HardState,
  PersistJob,
  SnapshotMeta,
} from "../../../engine/raft/types.ts";
import { mixInto } from "./sim-random.ts";

/** An entry with the hash of itself and everything before it: equal chains mean equal logs. */
export type ChainedEntry = { readonly entry: Entry; readonly chain: number };

/** A persist job as the disk sees it: its entries already chained to what they follow. */
export type ChainedJob = {
  readonly hardState: HardState | null;
  readonly entries: readonly ChainedEntry[];
  /** To install, with the chain of the log that it stands for. */
  readonly install: { readonly snapshot: SnapshotMeta; readonly chain: number } | null;
  readonly fsync: boolean;
};

/** The chain of the log that each snapshot of a run stands for, by its id. */
export type SnapshotChains = Map<string, number>;

const NOTHING_CHAIN = 0;
export const FOUNDING_CHAIN = 1;

/** The last position before the first kept entry. */
type Base = { readonly index: Index; readonly term: Term; readonly chain: number };

const EMPTY: Base = { index: 0 as Index, term: 0 as Term, chain: NOTHING_CHAIN };

/** The contents of one log. Used for what is written and for what is durable. */
export class LogImage {
  readonly #chains: SnapshotChains;
  #snapshot: SnapshotMeta | null;
  #base: Base;
  hardState: HardState | null = null;
  #entries: ChainedEntry[] = [];
  /** Indices of configuration entries, in order. */
  #confs: Index[] = [];

  /** Null: the disk of a node that was never a member. */
  constructor(founding: SnapshotMeta | null, chains: SnapshotChains) {
    this.#chains = chains;
    this.#snapshot = founding;
    this.#base = founding === null ? EMPTY : this.#positionOf(founding);
  }

  /** What a process that starts here recovers its state machine from. */
  get snapshot(): SnapshotMeta | null {
    return this.#snapshot;
  }

  get snapshotIndex(): Index {
    return this.#snapshot?.index ?? (0 as Index);
  }

  get firstIndex(): Index {
    return (this.#base.index + 1) as Index;
  }

  get lastIndex(): Index {
    return (this.#base.index + this.#entries.length) as Index;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.entry.term ?? this.#base.term;
  }

  at(index: number): ChainedEntry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** Null when there is no such entry, or no longer. */
  chainAt(index: number): number | null {
    if (index === this.#base.index) return this.#base.chain;
    return this.at(index)?.chain ?? null;
  }

  termAt(index: number): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.at(index)?.entry.term ?? null;
  }

  /** True also for what was compacted away: a snapshot, checked when it was made, stands for it. */
  holds(index: number, chain: number | null): boolean {
    return index < this.#base.index || this.chainAt(index) === chain;
  }

  /** How many configuration entries are here above `commit` and below `before`. */
  confsBetween(commit: number, before: number): number {
    return this.#confs.filter((index) => index > commit && index < before).length;
  }

  /** Those after the snapshot. */
  confEntries(): readonly Entry[] {
    const after = this.#confs.filter((index) => index > this.snapshotIndex);
    return after.flatMap((index) => this.at(index)?.entry ?? []);
  }

  chained(job: PersistJob): ChainedJob {
    const { snapshot, hardState, fsync } = job;
    const install = snapshot === null ? null : { snapshot, chain: this.#chainOf(snapshot) };
    const entries = this.#chainedEntries(job.entries, install);
    return { hardState, entries, install, fsync };
  }

  apply(job: ChainedJob): void {
    if (job.hardState !== null) this.hardState = job.hardState;
    if (job.install !== null) this.#install(job.install.snapshot);
    const first = job.entries[0];
    if (first === undefined) return;
    assert(first.entry.index <= this.lastIndex + 1, "a persist job leaves no hole in the log");
    this.#cutFrom(first.entry.index);
    for (const chained of job.entries) {
      if (chained.entry.kind === "conf") this.#confs.push(chained.entry.index);
      this.#entries.push(chained);
    }
  }

  /** The newest snapshot of its own that this node has. */
  record(snapshot: SnapshotMeta): void {
    if (snapshot.index > this.snapshotIndex) this.#snapshot = snapshot;
  }

  /** Forgets what a snapshot here stands for. */
  truncateBefore(index: Index): void {
    if (index <= this.firstIndex || index > this.lastIndex + 1) return;
    assert(index <= this.snapshotIndex + 1, "only what a snapshot stands for is truncated");
    const last = this.at(index - 1);
    assert(last !== undefined, "a truncation ends inside the log");
    const { entry, chain } = last;
    this.#entries.splice(0, index - this.firstIndex);
    this.#base = { index: entry.index, term: entry.term, chain };
    this.#confs = this.#confs.filter((conf) => conf >= index);
  }

  /** Loses its last entries: what a broken disk does, and a crash alone never. */
  lose(count: number): void {
    this.#cutFrom((Math.max(this.#base.index, this.lastIndex - count) + 1) as Index);
    // What remains lies below the snapshot, which is of more use alone.
    if (this.#snapshot !== null && this.lastIndex < this.#snapshot.index) {
      this.#install(this.#snapshot);
    }
    const { hardState, lastIndex } = this;
    if (hardState === null || hardState.commit <= lastIndex) return;
    this.hardState = { ...hardState, commit: lastIndex };
  }

  copyFrom(other: LogImage): void {
    this.hardState = other.hardState;
    this.#snapshot = other.#snapshot;
    this.#base = other.#base;
    this.#entries = [...other.#entries];
    this.#confs = [...other.#confs];
  }

  /** Empty when `lo` was compacted away or is not there yet. */
  slice(lo: Index, hi: Index): readonly Entry[] {
    const { firstIndex } = this;
    if (lo < firstIndex) return [];
    return this.#entries.slice(lo - firstIndex, hi - firstIndex).map(({ entry }) => entry);
  }

  /** What a store finds here when it opens; `tailLength` entries come along for the cache. */
  boot(tailLength: number, damaged: boolean): Boot {
    const entries = this.#entries.map(({ entry }) => entry);
    const termRuns: { from: Index; term: Term }[] = [];
    for (const { index, term } of entries) {
      if (termRuns.at(-1)?.term !== term) termRuns.push({ from: index, term });
    }
    const { snapshotIndex } = this;
    return {
      hardState: this.hardState,
      snapshot: this.#snapshot,
      applied: snapshotIndex,
      termRuns,
      confEntries: entries.filter(({ kind, index }) => kind === "conf" && index > snapshotIndex),
      tail: tailLength === 0 ? [] : entries.slice(-tailLength),
      lastIndex: this.lastIndex,
      damaged,
    };
  }

  #chainedEntries(entries: readonly Entry[], after: { readonly chain: number } | null) {
    const first = entries[0];
    let chain = after?.chain ?? (first === undefined ? 0 : this.chainAt(first.index - 1));
    assert(chain !== null, "a persist job leaves no hole in the log");
    return entries.map((entry) => {
      chain = chainHash(chain ?? 0, entry);
      return { entry, chain };
    });
  }

  #install(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot;
    this.#base = this.#positionOf(snapshot);
    this.#entries = [];
    this.#confs = [];
  }

  #cutFrom(index: Index): void {
    this.#entries.length = Math.max(0, index - this.firstIndex);
    while ((this.#confs.at(-1) ?? 0) >= index) this.#confs.pop();
  }

  #positionOf(snapshot: SnapshotMeta): Base {
    return { index: snapshot.index, term: snapshot.term, chain: this.#chainOf(snapshot) };
  }

  #chainOf({ id }: SnapshotMeta): number {
    const chain = this.#chains.get(id);
    assert(chain !== undefined, "a snapshot is registered when it is made");
    return chain;
  }
}

function chainHash(previous: number, entry: Entry): number {
  const head = mixInto(mixInto(previous, entry.term), entry.kind.length);
  return mixInto(head, Bun.hash.crc32(entry.data));
}
