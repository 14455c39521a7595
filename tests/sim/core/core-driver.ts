import type { Index, PeerId, Term } from "../../../engine/lib/ids.ts";
import { NOBODY } from "../../../engine/lib/ids.ts";
import type { StorageError } from "../../../engine/platform/log-store.ts";
import type { Transport, TransportEvent } from "../../../engine/platform/transport.ts";
import { createRaft } from "../../../engine/raft/raft.ts";
import type {
  Boot,
  ConfChange,
  Effects,
  Entry,
  Input,
  Message,
  ProposeResult,
  Raft,
  SnapshotMeta,
  Status,
  TraceEvent,
} from "../../../engine/raft/types.ts";
import { must } from "../checker.ts";
import type { Coverage } from "../coverage.ts";
import type { SimLogStore } from "../world/disk.ts";
import type { Identity } from "../world/network.ts";
import type { SimProcess } from "../world/sim-process.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreProfile } from "./core-profile.ts";
import { CoreSnapshots, type SnapshotShelf } from "./core-snapshots.ts";
import { type Answer, CoreWaiters } from "./core-waiters.ts";
import type { Registers } from "./registers.ts";

export type CoreDriverOptions = {
  readonly peerId: PeerId;
  readonly store: number;
  readonly process: SimProcess;
  readonly random: SimRandom;
  readonly tickMillis: number;
  readonly logStore: SimLogStore;
  readonly shelf: SnapshotShelf;
  readonly profile: CoreProfile;
  readonly coverage: Coverage;
  readonly connect: (identity: Identity) => Transport;
  readonly ship: (message: SnapshotMessage, state: Registers, done: (ok: boolean) => void) => void;
  /** The chain of the written log at an index. */
  readonly chainAt: (index: Index) => number;
  readonly onApplied: (index: Index, chain: number) => void;
  readonly onState: (index: Index, hash: number) => void;
  readonly onRestoring: () => void;
  readonly onRestored: (snapshot: SnapshotMeta) => void;
  /** Its disk has failed: the process is about to exit. */
  readonly onHalted: () => void;
};

export type SnapshotMessage = Message & { readonly kind: "snapshot" };

export const ELECTION_TICKS = 10;

/** A core that always has more to do has a bug (contract 3). */
const TAKES_MAX = 10_000;

/**
 * The least driver that a Raft core can have: the simulator's own, so that a bug of the core shows
 * before the replica exists, and stays apart from a bug of the replica.
 */
export class CoreDriver {
  readonly #options: CoreDriverOptions;
  readonly #waiters = new CoreWaiters();
  #raft: Raft | null = null;
  #snapshots: CoreSnapshots | null = null;
  #state: Registers | null = null;
  #transport: Transport | null = null;
  #isPumpDue = false;
  #applyFreeAt = 0;
  #nextRead: number;
  #refusedUntilTry = 0;

  constructor(options: CoreDriverOptions) {
    this.#options = options;
    this.#nextRead = options.random.below(2 ** 30);
    options.logStore.boot((result) => {
      if (result.ok) this.#start(result.value);
    });
  }

  status(): Status | null {
    return this.#raft?.status() ?? null;
  }

  news(): Status | null {
    return this.status();
  }

  get state(): Registers | null {
    return this.#state;
  }

  get waiting(): number {
    return this.#waiters.countDue(this.#state?.index ?? (0 as Index));
  }

  /** Calls back once its fate is known here; never when this process dies first. */
  propose(data: Uint8Array, done: (answer: Answer) => void): void {
    const result = this.#raft?.propose([data]);
    if (result?.ok) this.#waiters.add({ index: result.first, term: result.term, done });
    else this.#options.process.soon(() => done({ kind: "refused" }));
    this.#pumpSoon();
  }

  proposeConf(change: ConfChange): ProposeResult | null {
    const result = this.#raft?.proposeConf(change) ?? null;
    this.#pumpSoon();
    return result;
  }

  /** The state as of a linearizable read; null = refused. */
  read(done: (answer: { readonly state: Registers; readonly index: Index } | null) => void): void {
    if (this.#raft === null) return;
    const ctx = this.#nextRead++;
    this.#waiters.read(ctx, (index) => {
      const state = this.#state;
      done(index === null || state === null ? null : { state, index });
    });
    this.#raft.read(ctx);
    this.#pumpSoon();
  }

  input(input: Input): void {
    this.#raft?.input(input);
    this.#pumpSoon();
  }

  /** A chunk of a snapshot has come; the last one makes it whole, and Raft hears of it. */
  receive(message: SnapshotMessage, state: Registers, chunk: number): void {
    const isWhole = this.#snapshots?.receive(message.snapshot, state, chunk) ?? false;
    if (isWhole) this.input({ kind: "message", message });
  }

  #start(boot: Boot): void {
    const { peerId, store, random, shelf, profile } = this.#options;
    this.#state = shelf.recover(boot.snapshot);
    const { maxMsgBytes, maxInflightMsgs, maxApplyEntries, learnerPromoteLag } = profile;
    const limits = { maxMsgBytes, maxInflightMsgs, maxApplyEntries, learnerPromoteLag };
    const timing = { electionTicks: ELECTION_TICKS, heartbeatTicks: 1 };
    const trace = (event: TraceEvent): void => this.#count(event);
    this.#raft = createRaft({ id: peerId, rng: random, ...timing, ...limits, trace }, boot);
    this.#snapshots = new CoreSnapshots({
      ...this.#options,
      onFailed: (failure) => this.#halt(failure),
      onCreated: (snapshot, keepFrom) => {
        this.input({ kind: "snapshot-created", snapshot, keepFrom });
      },
    });
    this.#transport = this.#options.connect({ store, accepts: (...who) => this.#accepts(...who) });
    this.#transport.start((event) => this.#onTransport(event));
    this.#tickLater();
    this.#pumpSoon();
  }

  #count({ name }: TraceEvent): void {
    const { coverage } = this.#options;
    if (name === "disk-stalled") coverage.stallStepDowns += 1;
    if (name === "quorum-lost") coverage.quorumStepDowns += 1;
  }

  #accepts(peer: PeerId, store: number): boolean {
    const { coverage, profile } = this.#options;
    const isWelcome = this.#state?.accepts(peer, store, profile.refusesRemoved) ?? true;
    if (!isWelcome) coverage.refusedStores += 1;
    return isWelcome;
  }

  #tickLater(): void {
    this.#options.process.after(this.#options.tickMillis, () => {
      this.#raft?.tick();
      this.#pumpSoon();
      this.#tickLater();
    });
  }

  #onTransport(event: TransportEvent): void {
    switch (event.kind) {
      case "message":
        this.input({ kind: "message", message: event.message });
        return;
      case "peer-refused":
        this.#raft?.input({ kind: "unreachable", peer: event.peer });
        this.#onRefused(event.peer);
        return;
      case "peer-closed":
      case "peer-opened":
      case "removed-by":
        return;
    }
  }

  /** Contract 17: the leader's process is gone, so nobody waits for the election timer. */
  #onRefused(peer: PeerId): void {
    const leader = this.#raft?.status().leader ?? NOBODY;
    if (leader === peer) {
      this.#raft?.input({ kind: "forget-leader" });
      this.#refusedUntilTry = 10;
    }
    if (this.#refusedUntilTry === 0) return;
    this.#refusedUntilTry -= 1;
    this.#options.process.after(this.#options.random.below(50), () => {
      if (this.#raft?.status().leader === NOBODY) this.#raft.input({ kind: "campaign" });
      else this.#refusedUntilTry = 0;
      this.#pumpSoon();
    });
  }

  /** Everything that happens at one moment becomes one take: the core must bear any grouping. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#options.process.soon(() => {
      this.#isPumpDue = false;
      let takes = 0;
      for (let e = this.#raft?.take(); e !== null && e !== undefined; e = this.#raft?.take()) {
        takes += 1;
        must(takes < TAKES_MAX, "bounded resources", () => `${takes} takes without an input`);
        this.#perform(e);
      }
    });
  }

  #perform(effects: Effects): void {
    const { logStore } = this.#options;
    const { persist } = effects;
    for (const message of effects.messages) this.#transport?.send(message);
    if (persist !== null) {
      if (persist.snapshot !== null) this.#snapshots?.overtaken();
      logStore.write(persist, (written) => {
        if (written.ok) this.input({ kind: "persisted", seq: persist.seq });
        else this.#halt(written.error);
      });
    }
    if (effects.restore !== null) this.#restore(effects.restore);
    this.#apply(effects.apply);
    this.#fetch(effects.fetch);
    for (const send of effects.sendSnapshots) this.#ship(send);
    if (effects.truncateLogBefore > 0) logStore.truncateBefore(effects.truncateLogBefore);
    this.#tell(effects);
  }

  #tell({ dropped, reads, transfer }: Effects): void {
    const { coverage } = this.#options;
    coverage.dropped += dropped.length;
    for (const { index, term } of dropped) this.#waiters.dropped(index, term);
    for (const { ctx, index } of reads) {
      if (index === null) coverage.refusedReads += 1;
      this.#waiters.readAnswered(ctx, index, this.#state?.index ?? (0 as Index));
    }
    if (transfer?.outcome === "done") coverage.transfersWon += 1;
    else if (transfer !== null) coverage.transfersLost += 1;
  }

  #halt({ detail }: StorageError): void {
    this.input({ kind: "storage-failed", reason: detail });
    this.#options.onHalted();
  }

  #fetch(fetches: Effects["fetch"]): void {
    for (const { id, lo, hi, maxBytes } of fetches) {
      this.#options.logStore.entries(lo, hi, maxBytes, (result) => {
        if (!result.ok) throw new Error(result.error.detail);
        this.input({ kind: "fetched", id, result: result.value });
      });
    }
  }

  #ship({ to, session, snapshot }: Effects["sendSnapshots"][number]): void {
    const { peerId, shelf, ship } = this.#options;
    const term = this.#raft?.status().term ?? (0 as Term);
    const state = shelf.recover(snapshot);
    ship({ kind: "snapshot", from: peerId, to, term, session, snapshot }, state, (ok) => {
      this.input({ kind: "snapshot-sent", to, session, ok });
    });
  }

  /** The state machine is slow, but in order: batches finish one after the other. */
  #apply(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const chains = entries.map(({ index }) => this.#options.chainAt(index));
    this.#inTurn(APPLY_MILLIS_MAX, () => {
      for (const [place, entry] of entries.entries()) this.#applyOne(entry, chains[place] ?? 0);
      this.#noteState();
    });
  }

  #applyOne(entry: Entry, chain: number): void {
    const answer = this.#state?.apply(entry) ?? null;
    this.#options.onApplied(entry.index, chain);
    if (answer?.isDuplicate) this.#options.coverage.duplicateCommands += 1;
    this.#waiters.applied(entry, answer?.result ?? 0);
  }

  /** A barrier: what was handed out before is applied before, or is part of the snapshot. */
  #restore(snapshot: SnapshotMeta): void {
    this.#inTurn(RESTORE_MILLIS_MAX, () => {
      this.#state = this.#options.shelf.recover(snapshot);
      this.#options.onRestored(snapshot);
      this.#waiters.restored(snapshot.index);
      this.#noteState();
    });
    this.#options.onRestoring();
  }

  #noteState(): void {
    const state = this.#state;
    if (state === null) return;
    this.#options.onState(state.index, state.hash());
    this.#raft?.applied(state.index);
    this.#waiters.reached(state.index);
    this.#snapshots?.maybeCreate(state, this.#raft?.status() ?? null);
    this.#pumpSoon();
  }

  #inTurn(millisMax: number, work: () => void): void {
    const { process, random } = this.#options;
    const now = process.nowMillis;
    this.#applyFreeAt = Math.max(this.#applyFreeAt, now) + random.between(0, millisMax);
    process.after(this.#applyFreeAt - now, work);
  }
}

const APPLY_MILLIS_MAX = 3;
const RESTORE_MILLIS_MAX = 60;
