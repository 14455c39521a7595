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
  readonly fsync: boolean;
};

const FOUNDING_CHAIN = 1;

/** The contents of one log, after the founding snapshot. Used for what is written and what is durable. */
export class LogImage {
  /** What the log starts after. */
  readonly #base: SnapshotMeta;
  /** The newest snapshot that is recorded: a process that opens the log begins with it. */
  snapshot: SnapshotMeta;
  hardState: HardState | null = null;
  #entries: ChainedEntry[] = [];

  constructor(founding: SnapshotMeta) {
    this.#base = founding;
    this.snapshot = founding;
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

  /** Null when there is no such entry. */
  chainAt(index: number): number | null {
    if (index === this.#base.index) return FOUNDING_CHAIN;
    return this.at(index)?.chain ?? null;
  }

  termAt(index: number): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.at(index)?.entry.term ?? null;
  }

  chained(job: PersistJob): ChainedJob {
    const first = job.entries[0];
    let chain = first === undefined ? FOUNDING_CHAIN : this.chainAt(first.index - 1);
    assert(chain !== null, "a persist job leaves no hole in the log");
    const entries = job.entries.map((entry) => {
      chain = chainHash(chain ?? 0, entry);
      return { entry, chain };
    });
    return { hardState: job.hardState, entries, fsync: job.fsync };
  }

  apply(job: ChainedJob): void {
    if (job.hardState !== null) this.hardState = job.hardState;
    const first = job.entries[0];
    if (first === undefined) return;
    assert(first.entry.index <= this.lastIndex + 1, "a persist job leaves no hole in the log");
    this.#entries.length = first.entry.index - this.#base.index - 1;
    this.#entries.push(...job.entries);
  }

  /** Loses its last entries: what a broken disk does, and a crash alone never. */
  lose(count: number): void {
    this.#entries.length = Math.max(0, this.#entries.length - count);
    const { hardState, lastIndex } = this;
    if (hardState === null || hardState.commit <= lastIndex) return;
    this.hardState = { ...hardState, commit: lastIndex };
  }

  copyFrom(other: LogImage): void {
    this.snapshot = other.snapshot;
    this.hardState = other.hardState;
    this.#entries = [...other.#entries];
  }

  slice(lo: Index, hi: Index): readonly Entry[] {
    const base = this.#base.index + 1;
    return this.#entries.slice(lo - base, hi - base).map(({ entry }) => entry);
  }

  /** What a store finds here when it opens; `tailLength` entries come along for the cache. */
  boot(tailLength: number, damaged: boolean): Boot {
    const entries = this.#entries.map(({ entry }) => entry);
    const termRuns: { from: Index; term: Term }[] = [];
    for (const { index, term } of entries) {
      if (termRuns.at(-1)?.term !== term) termRuns.push({ from: index, term });
    }
    const covered = this.snapshot.index;
    return {
      hardState: this.hardState,
      snapshot: this.snapshot,
      applied: covered,
      termRuns,
      confEntries: entries.filter(({ kind, index }) => kind === "conf" && index > covered),
      tail: tailLength === 0 ? [] : entries.slice(-tailLength),
      lastIndex: this.lastIndex,
      damaged,
    };
  }
}

function chainHash(previous: number, entry: Entry): number {
  const head = mixInto(mixInto(previous, entry.term), entry.kind.length);
  return mixInto(head, Bun.hash.crc32(entry.data));
}
