import { assert } from "../lib/assert.ts";
import { following, type Index, type Term } from "../lib/ids.ts";
import { copyPlain } from "./copy-plain.ts";
import { greater, lesser, preceding, ZERO } from "./positions.ts";
import { TermRuns, type TermRunsImage } from "./term-runs.ts";
import type { Boot, Entry, Seq } from "./types.ts";

/** What an entry costs besides its data, in messages and in the cache. */
const ENTRY_OVERHEAD_BYTES = 32;
/** Above this the cache lets go of entries that nobody is about to ask for. */
export const TAIL_SOFT_BYTES_MAX = 16 * 1024 * 1024;
/** Above this it lets go of every entry that is durable and committed: they can be fetched. */
export const TAIL_HARD_BYTES_MAX = 64 * 1024 * 1024;

export const entryBytes = (entry: Entry): number => entry.data.length + ENTRY_OVERHEAD_BYTES;

/** Everything a log knows. Entries never change, so they are shared. */
export type LogImage = {
  readonly terms: TermRunsImage;
  readonly cache: readonly Entry[];
  readonly cacheFrom: Index;
  readonly durable: Index;
  readonly unsaved: Index;
  readonly underWay: readonly { readonly seq: Seq; readonly last: Index }[];
};

export type Position = { readonly index: Index; readonly term: Term };

/**
 * The log as the core knows it: the term of every kept entry (run-length), the data of the last
 * ones (a plain array with an offset), and how far it is durable. Storage is never read here.
 */
export class RaftLog {
  readonly #terms: TermRuns;
  #cache: Entry[];
  #cacheHead = 0;
  /** Index of `#cache[#cacheHead]`; one past the last entry when nothing is cached. */
  #cacheFrom: Index;
  #cacheBytes = 0;
  #durable: Index;
  /** First index that no persist job has carried yet. */
  #unsaved: Index;
  /** Last entry of each job under way. A truncation lowers them: the ABA guard of contract 10. */
  #underWay: { readonly seq: Seq; last: Index }[];

  private constructor(terms: TermRuns, image: Omit<LogImage, "terms">) {
    this.#terms = terms;
    this.#cache = [...image.cache];
    this.#cacheFrom = image.cacheFrom;
    for (const entry of this.#cache) this.#cacheBytes += entryBytes(entry);
    assert(
      this.#cacheFrom + this.#cache.length === this.lastIndex + 1,
      "the tail of the log ends with the last entry",
    );
    this.#durable = image.durable;
    this.#unsaved = image.unsaved;
    this.#underWay = image.underWay.map(copyPlain);
  }

  static fromBoot(boot: Boot): RaftLog {
    const terms = TermRuns.fromBoot(boot);
    const { anchor, last } = terms;
    const isCovered = boot.lastIndex < last;
    const cache = isCovered ? [] : boot.tail.filter(({ index }) => index > anchor.index);
    const next = following(last);
    const cacheFrom = cache[0]?.index ?? next;
    return new RaftLog(terms, { cache, cacheFrom, durable: last, unsaved: next, underWay: [] });
  }

  static fromImage({ terms, ...image }: LogImage): RaftLog {
    return new RaftLog(TermRuns.fromImage(terms), image);
  }

  image(): LogImage {
    return {
      terms: this.#terms.image(),
      cache: this.#cache.slice(this.#cacheHead),
      cacheFrom: this.#cacheFrom,
      durable: this.#durable,
      unsaved: this.#unsaved,
      underWay: this.#underWay.map(copyPlain),
    };
  }

  get firstIndex(): Index {
    return following(this.#terms.anchor.index);
  }

  get lastIndex(): Index {
    return this.#terms.last;
  }

  get lastTerm(): Term {
    return this.#terms.lastTerm;
  }

  /** Up to here the log is on this node's disk. */
  get durable(): Index {
    return this.#durable;
  }

  get hasUnsaved(): boolean {
    return this.#unsaved <= this.lastIndex;
  }

  /** From here on entries are at hand; older ones have to be fetched. */
  get cacheFrom(): Index {
    return this.#cacheFrom;
  }

  get cachedBytes(): number {
    return this.#cacheBytes;
  }

  /** Null outside of what is kept; known for the entry just before the first kept one. */
  termAt(index: Index): Term | null {
    return this.#terms.at(index);
  }

  conflictHint(index: Index, term: Term): Position {
    return this.#terms.conflictHint(index, term);
  }

  isCached(index: Index): boolean {
    return index >= this.#cacheFrom && index <= this.lastIndex;
  }

  cached(index: Index): Entry | null {
    if (!this.isCached(index)) return null;
    return this.#cache[this.#cacheHead + index - this.#cacheFrom] ?? null;
  }

  /** Cached entries from `lo`, at most up to `hi`, at most `maxBytes` unless the first is larger. */
  slice(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    assert(this.isCached(lo), "a slice starts inside the cache");
    const start = this.#cacheHead + lo - this.#cacheFrom;
    const end = this.#cacheHead + lesser(hi, this.lastIndex) - this.#cacheFrom + 1;
    let stop = start;
    let bytes = 0;
    while (stop < end) {
      const entry = this.#cache[stop];
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (bytes > maxBytes && stop > start) break;
      stop += 1;
    }
    return this.#cache.slice(start, stop);
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "entries are appended without a gap");
    this.#terms.append(entry.term);
    this.#cache.push(entry);
    this.#cacheBytes += entryBytes(entry);
  }

  /** Forgets every entry from `index` on. */
  truncateFrom(index: Index): void {
    assert(index > this.#terms.anchor.index, "a truncation stays inside the kept log");
    const kept = Math.max(0, index - this.#cacheFrom);
    for (let i = this.#cacheHead + kept; i < this.#cache.length; i++) this.#discount(i);
    this.#cache.length = this.#cacheHead + kept;
    if (index < this.#cacheFrom) this.#cacheFrom = index;
    this.#terms.truncateFrom(index);
    const last = preceding(index);
    this.#durable = lesser(this.#durable, last);
    this.#unsaved = lesser(this.#unsaved, index);
    for (const job of this.#underWay) job.last = lesser(job.last, last);
  }

  /** Replaces the whole log by a snapshot at `position`. Durable again once its job is. */
  restore(position: Position): void {
    this.#terms.restore(position);
    this.#cache = [];
    this.#cacheHead = 0;
    this.#cacheFrom = following(position.index);
    this.#cacheBytes = 0;
    this.#durable = lesser(this.#durable, preceding(position.index));
    this.#unsaved = following(position.index);
    for (const job of this.#underWay) job.last = ZERO;
  }

  /** Forgets every entry before `index`. */
  compactBefore(index: Index): void {
    this.#terms.compactBefore(index);
    this.#evictBefore(index);
  }

  /** Entries that no job carries yet, noted as carried by job `seq`. */
  handOut(seq: Seq): readonly Entry[] {
    const entries = this.hasUnsaved
      ? this.slice(this.#unsaved, this.lastIndex, Number.POSITIVE_INFINITY)
      : [];
    this.#unsaved = following(this.lastIndex);
    this.#underWay.push({ seq, last: this.lastIndex });
    return entries;
  }

  /** Job `seq` and all before it are durable. */
  persisted(seq: Seq): void {
    let done = 0;
    for (const job of this.#underWay) {
      if (job.seq > seq) break;
      this.#durable = greater(this.#durable, job.last);
      done += 1;
    }
    this.#underWay.splice(0, done);
    assert(this.#durable <= this.lastIndex, "nothing is durable beyond the log");
  }

  /** Keeps the cache within its bounds. `wanted`: the first index somebody is about to ask for. */
  trim(wanted: Index, commit: Index): void {
    if (this.#cacheBytes <= TAIL_SOFT_BYTES_MAX) return;
    const safe = following(lesser(this.#durable, commit));
    this.#evictWhile(TAIL_SOFT_BYTES_MAX, lesser(safe, wanted));
    this.#evictWhile(TAIL_HARD_BYTES_MAX, safe);
  }

  #evictWhile(maxBytes: number, before: Index): void {
    while (this.#cacheBytes > maxBytes && this.#cacheFrom < before) this.#evictFirst();
    this.#closeGap();
  }

  #evictBefore(index: Index): void {
    while (this.#cacheFrom < index && this.#cacheHead < this.#cache.length) this.#evictFirst();
    if (this.#cacheFrom < index) this.#cacheFrom = index;
    this.#closeGap();
  }

  #evictFirst(): void {
    this.#discount(this.#cacheHead);
    this.#cacheHead += 1;
    this.#cacheFrom = following(this.#cacheFrom);
  }

  #discount(place: number): void {
    const entry = this.#cache[place];
    if (entry !== undefined) this.#cacheBytes -= entryBytes(entry);
  }

  /** Evicted places are given back in bulk, so that eviction costs O(1) on average. */
  #closeGap(): void {
    if (this.#cacheHead * 2 <= this.#cache.length) return;
    this.#cache = this.#cache.slice(this.#cacheHead);
    this.#cacheHead = 0;
  }
}
