import { assert } from "../../../engine/lib/assert.ts";
import type { Index, Term } from "../../../engine/lib/ids.ts";
import { err, ok } from "../../../engine/lib/result.ts";
import type { Done } from "../../../engine/platform/completion.ts";
import type { LogStore, StorageError } from "../../../engine/platform/log-store.ts";
import type { Boot, Entry, PersistJob, SnapshotMeta } from "../../../engine/raft/types.ts";
import { type DiskBacking, type DiskOp, mustAgree } from "./disk-backing.ts";
import { type ChainedJob, LogImage, type SnapshotChains } from "./log-image.ts";
import type { SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type DiskProfile = {
  readonly fsyncMillisMin: number;
  readonly fsyncMillisMax: number;
  /** Share of fsyncs that stall, and for how long at most. */
  readonly stallChance: number;
  readonly stallMillisMax: number;
  /** Share of fsyncs that only say that they are done: Raft does not promise to bear any. */
  readonly lostSyncChance: number;
};

export type DiskListener = {
  /** Before the job reaches the image of what was written. */
  readonly onWrite: (job: ChainedJob) => void;
  /** The durable image has changed: by an fsync, or by what a crash left. */
  readonly onDurable: () => void;
  /** What is rare enough to be counted. */
  readonly count: (what: "snapshots" | "truncations" | "abas" | "repaired") => void;
};

type Waiting = { readonly op: DiskOp; readonly done: Done<void, StorageError> };

/** How long a truncation waits: it is lazy. */
const TRUNCATE_MILLIS_MAX = 400;

/**
 * One node's log on its disk. `written` is what the process believes it has, `durable` what
 * survives: a crash keeps every fsynced job and a random prefix of the others, for a job torn by
 * the crash fails its checksum and is cut off with all that follows.
 */
export class SimDisk {
  readonly written: LogImage;
  readonly durable: LogImage;
  /** How many crashes cut off jobs that were under way. */
  tornCount = 0;
  /** The term in which it was found that durable entries are gone; null = whole. */
  #damagedTerm: Term | null = null;
  readonly #time: VirtualTime;
  readonly #random: SimRandom;
  readonly #chains: SnapshotChains;
  readonly #backing: DiskBacking | null;
  #profile: DiskProfile;
  readonly #listener: DiskListener;
  #waiting: Waiting[] = [];
  #syncing: Waiting[] = [];
  /** Reported done without an fsync, as their job allowed: the next fsync takes them along. */
  #lazy: DiskOp[] = [];
  /** How the next fsync ends, once. */
  #failure: StorageError["kind"] | null = null;
  #life = 0;
  #stalledUntil = 0;

  constructor(options: {
    readonly time: VirtualTime;
    readonly random: SimRandom;
    readonly profile: DiskProfile;
    /** Null: the empty disk of a node that is to join. */
    readonly founding: SnapshotMeta | null;
    readonly chains: SnapshotChains;
    /** Null: what is durable is known to the image alone. */
    readonly backing: DiskBacking | null;
    readonly listener: DiskListener;
  }) {
    this.#chains = options.chains;
    this.#backing = options.backing;
    this.#time = options.time;
    this.#random = options.random;
    this.#profile = options.profile;
    this.#listener = options.listener;
    this.written = new LogImage(options.founding, options.chains);
    this.durable = new LogImage(options.founding, options.chains);
  }

  /** The store that one life of the node's process opens. */
  open(process: SimProcess): SimLogStore {
    return new SimLogStore(this, process);
  }

  /** What is on the disk once the process that wrote it is gone. */
  crash(): void {
    this.#life += 1;
    const open = [...this.#lazy, ...[...this.#syncing, ...this.#waiting].map(({ op }) => op)];
    this.#lazy = [];
    this.#failure = null;
    this.#syncing = [];
    this.#waiting = [];
    const kept = this.#random.below(open.length + 1);
    for (const op of open.slice(0, kept)) perform(this.durable, op);
    this.#backing?.perform(open.slice(0, kept));
    this.#backing?.crash();
    if (kept < open.length) this.tornCount += 1;
    this.written.copyFrom(this.durable);
    this.#listener.onDurable();
  }

  get isDamaged(): boolean {
    return this.#damagedTerm !== null;
  }

  /** Durable entries are gone; the mark outside the log remembers term, vote, and that they were. */
  damage(count: number): void {
    this.durable.lose(count);
    this.written.copyFrom(this.durable);
    this.#damagedTerm = this.durable.hardState?.term ?? this.durable.lastTerm;
    this.#listener.onDurable();
  }

  /** Every fsync under way or begun within `millis` ends only after them. */
  stall(millis: number): void {
    this.#stalledUntil = this.#time.now + millis;
  }

  /** The next fsync fails, once: what it was to make durable may be on the disk or not. */
  failNextSync(kind: StorageError["kind"]): void {
    this.#failure = kind;
  }

  /** No more stalls: what remains is the usual latency. */
  calm(): void {
    this.#failure = null;
    this.#stalledUntil = 0;
    this.#profile = { ...this.#profile, stallChance: 0 };
  }

  /** For `SimLogStore` only. */
  bootImage(): Boot {
    const known = this.durable.boot(this.#random.below(TAIL_ENTRIES_MAX), this.isDamaged);
    const real = this.#backing?.boot() ?? null;
    if (real === null) return known;
    mustAgree(real, known);
    this.durable.hardState = real.hardState;
    this.written.hardState = real.hardState;
    return real;
  }

  /** For `SimLogStore` only: null = the image is to be read, or has what is not durable yet. */
  readReal(lo: Index, hi: Index, maxBytes: number): readonly Entry[] | "compacted" | null {
    if (this.#backing === null || lo > this.durable.lastIndex) return null;
    return this.#backing.entries(lo, hi, maxBytes);
  }

  /** For `SimLogStore` only. */
  readDelayMillis(): number {
    return this.#random.between(0.05, 2);
  }

  /** For `SimLogStore` only. */
  submit(persist: PersistJob, done: Done<void, StorageError>): void {
    const job = this.written.chained(persist);
    this.#listener.onWrite(job);
    if (this.#isUnderWay(job.entries[0]?.entry.index)) this.#listener.count("abas");
    this.written.apply(job);
    this.#queue({ op: { kind: "job", job }, done });
  }

  /** For `SimLogStore` only. */
  record(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    assert(snapshot.index >= this.written.snapshotIndex, "snapshots do not go back");
    const chain = this.written.chainAt(snapshot.index);
    if (chain !== null) this.#chains.set(snapshot.id, chain);
    this.written.record(snapshot);
    this.#listener.count("snapshots");
    this.#queue({ op: { kind: "record", snapshot }, done });
  }

  /** For `SimLogStore` only. */
  truncateBefore(index: Index): void {
    const life = this.#life;
    this.#time.after(this.#random.between(0, TRUNCATE_MILLIS_MAX), () => {
      if (life !== this.#life) return;
      this.durable.truncateBefore(index);
      this.#backing?.truncateBefore(index);
      this.written.truncateBefore(index);
      this.#listener.count("truncations");
    });
  }

  /** Whether an entry that is not durable yet is about to be replaced: what contract 10 is about. */
  #isUnderWay(first: Index | undefined): boolean {
    if (first === undefined || first > this.written.lastIndex) return false;
    return [...this.#syncing, ...this.#waiting].some(({ op }) => {
      return op.kind === "job" && op.job.entries.some(({ entry }) => entry.index >= first);
    });
  }

  #queue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#syncing.length === 0) this.#sync();
  }

  /** Group commit: everything that waits becomes durable with one fsync. */
  #sync(): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
    const life = this.#life;
    this.#time.after(this.#fsyncMillis(), () => {
      if (life === this.#life) this.#synced(life);
    });
  }

  #synced(life: number): void {
    if (this.#time.now < this.#stalledUntil) {
      this.#time.after(this.#stalledUntil - this.#time.now, () => {
        if (life === this.#life) this.#synced(life);
      });
      return;
    }
    if (this.#failure !== null) {
      this.#fail({ kind: this.#failure, detail: "the disk said no" });
      return;
    }
    const synced = this.#syncing;
    this.#syncing = [];
    this.#lazy.push(...synced.map(({ op }) => op));
    if (this.#lazy.some(mustSync) && !this.#losesSync()) {
      for (const op of this.#lazy) perform(this.durable, op);
      this.#backing?.perform(this.#lazy);
      this.#lazy = [];
      this.#noticeRepair();
      this.#listener.onDurable();
    }
    if (this.#waiting.length > 0) this.#sync();
    for (const { done } of synced) done(ok(undefined));
  }

  /** What it should have made durable goes along with the next one, or is lost in a crash. */
  #losesSync(): boolean {
    const { lostSyncChance } = this.#profile;
    return lostSyncChance > 0 && this.#random.chance(lostSyncChance);
  }

  /** Fail-stop: nothing is written any more, and everybody who waits hears why. */
  #fail(failure: StorageError): void {
    const failed = [...this.#syncing, ...this.#waiting];
    this.#waiting = [];
    for (const { done } of failed) done(err(failure));
  }

  /** As the real store does: a newer leader has committed an entry of its own term here. */
  #noticeRepair(): void {
    const { hardState } = this.durable;
    if (this.#damagedTerm === null || hardState === null) return;
    const isNewer = hardState.term > this.#damagedTerm;
    if (isNewer && this.durable.termAt(hardState.commit) === hardState.term) {
      this.#damagedTerm = null;
      this.#listener.count("repaired");
    }
  }

  #fsyncMillis(): number {
    const { fsyncMillisMin, fsyncMillisMax, stallChance, stallMillisMax } = this.#profile;
    if (this.#random.chance(stallChance))
      return this.#random.between(fsyncMillisMax, stallMillisMax);
    return this.#random.between(fsyncMillisMin, fsyncMillisMax);
  }
}

/** Small, so that the core often has to fetch what it applies or sends. */
const TAIL_ENTRIES_MAX = 48;

const mustSync = (op: DiskOp): boolean => op.kind === "record" || op.job.fsync;

function perform(image: LogImage, op: DiskOp): void {
  if (op.kind === "job") image.apply(op.job);
  else image.record(op.snapshot);
}

export class SimLogStore implements LogStore {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  boot(done: Done<Boot, StorageError>): void {
    this.#process.after(this.#disk.readDelayMillis(), () => done(ok(this.#disk.bootImage())));
  }

  write(job: PersistJob, done: Done<void, StorageError>): void {
    this.#process.portCalled();
    this.#disk.submit(job, (result) => this.#process.arrive(() => done(result)));
  }

  entries(
    lo: Index,
    hi: Index,
    maxBytes: number,
    done: Done<readonly Entry[] | "compacted", StorageError>,
  ): void {
    this.#process.after(this.#disk.readDelayMillis(), () => {
      const real = this.#disk.readReal(lo, hi, maxBytes);
      if (real !== null) {
        done(ok(real));
        return;
      }
      const { written } = this.#disk;
      if (lo < written.firstIndex) {
        done(ok("compacted"));
        return;
      }
      const entries = written.slice(lo, hi);
      if (entries.length === 0) {
        done(err({ kind: "io", detail: `no entries in [${lo}, ${hi})` }));
        return;
      }
      done(ok(firstBytes(entries, maxBytes)));
    });
  }

  recordSnapshot(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    this.#process.portCalled();
    this.#disk.record(snapshot, (result) => this.#process.arrive(() => done(result)));
  }

  /** For a snapshot's name; null when the log has been replaced meanwhile. */
  termAt(index: Index): Term | null {
    return this.#disk.written.termAt(index);
  }

  truncateBefore(index: Index): void {
    this.#process.portCalled();
    this.#disk.truncateBefore(index);
  }

  close(done: Done<void, StorageError>): void {
    this.#process.soon(() => done(ok(undefined)));
  }
}

function firstBytes(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry) => {
    bytes += entry.data.length;
    return bytes > maxBytes;
  });
  return end === -1 ? entries : entries.slice(0, Math.max(1, end));
}
