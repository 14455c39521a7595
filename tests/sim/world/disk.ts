import type { Index, Term } from "../../../engine/lib/ids.ts";
import { err, ok } from "../../../engine/lib/result.ts";
import type { Done } from "../../../engine/platform/completion.ts";
import type { LogStore, StorageError } from "../../../engine/platform/log-store.ts";
import type { Boot, Entry, PersistJob, SnapshotMeta } from "../../../engine/raft/types.ts";
import { type ChainedJob, LogImage } from "./log-image.ts";
import type { SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type DiskProfile = {
  readonly fsyncMillisMin: number;
  readonly fsyncMillisMax: number;
  /** Share of fsyncs that stall, and for how long at most. */
  readonly stallChance: number;
  readonly stallMillisMax: number;
};

export type DiskListener = {
  /** Before the job reaches the image of what was written. */
  readonly onWrite: (job: ChainedJob) => void;
  /** The durable image has changed: by an fsync, or by what a crash left. */
  readonly onDurable: () => void;
};

type Waiting = { readonly job: ChainedJob; readonly done: Done<void, StorageError> };

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
  #profile: DiskProfile;
  readonly #listener: DiskListener;
  #waiting: Waiting[] = [];
  #syncing: Waiting[] = [];
  /** Reported done without an fsync, as their job allowed: the next fsync takes them along. */
  #lazy: ChainedJob[] = [];
  #life = 0;
  #stalledUntil = 0;

  constructor(options: {
    readonly time: VirtualTime;
    readonly random: SimRandom;
    readonly profile: DiskProfile;
    readonly founding: SnapshotMeta;
    readonly listener: DiskListener;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#profile = options.profile;
    this.#listener = options.listener;
    this.written = new LogImage(options.founding);
    this.durable = new LogImage(options.founding);
  }

  /** The store that one life of the node's process opens. */
  open(process: SimProcess): LogStore {
    return new SimLogStore(this, process);
  }

  /** What is on the disk once the process that wrote it is gone. */
  crash(): void {
    this.#life += 1;
    const open = [...this.#lazy, ...[...this.#syncing, ...this.#waiting].map(({ job }) => job)];
    this.#lazy = [];
    this.#syncing = [];
    this.#waiting = [];
    const kept = this.#random.below(open.length + 1);
    for (const job of open.slice(0, kept)) this.durable.apply(job);
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
    this.#damagedTerm = this.durable.hardState?.term ?? this.durable.snapshot.term;
    this.#listener.onDurable();
  }

  /** Every fsync under way or begun within `millis` ends only after them. */
  stall(millis: number): void {
    this.#stalledUntil = this.#time.now + millis;
  }

  /** No more stalls: what remains is the usual latency. */
  calm(): void {
    this.#stalledUntil = 0;
    this.#profile = { ...this.#profile, stallChance: 0 };
  }

  /** For `SimLogStore` only. */
  bootImage(): Boot {
    return this.durable.boot(this.#random.below(TAIL_ENTRIES_MAX), this.isDamaged);
  }

  /** For `SimLogStore` only. */
  readDelayMillis(): number {
    return this.#random.between(0.05, 2);
  }

  /** For `SimLogStore` only. A crash before `done` loses the record, and only that. */
  record(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    const life = this.#life;
    this.#time.after(this.#fsyncMillis(), () => {
      if (life !== this.#life) return;
      this.written.snapshot = snapshot;
      this.durable.snapshot = snapshot;
      done(ok(undefined));
    });
  }

  /** For `SimLogStore` only. */
  submit(persist: PersistJob, done: Done<void, StorageError>): void {
    const job = this.written.chained(persist);
    this.#listener.onWrite(job);
    this.written.apply(job);
    this.#waiting.push({ job, done });
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
    const synced = this.#syncing;
    this.#syncing = [];
    this.#lazy.push(...synced.map(({ job }) => job));
    if (this.#lazy.some((job) => job.fsync)) {
      for (const job of this.#lazy) this.durable.apply(job);
      this.#lazy = [];
      this.#noticeRepair();
      this.#listener.onDurable();
    }
    if (this.#waiting.length > 0) this.#sync();
    for (const { done } of synced) done(ok(undefined));
  }

  /** As the real store does: a newer leader has committed an entry of its own term here. */
  #noticeRepair(): void {
    const { hardState } = this.durable;
    if (this.#damagedTerm === null || hardState === null) return;
    const isNewer = hardState.term > this.#damagedTerm;
    if (isNewer && this.durable.termAt(hardState.commit) === hardState.term) {
      this.#damagedTerm = null;
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

class SimLogStore implements LogStore {
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
      const entries = this.#disk.written.slice(lo, hi);
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

  truncateBefore(): void {
    // Lazy by contract: this store never gets round to it.
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
