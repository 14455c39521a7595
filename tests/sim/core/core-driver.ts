import type { Index, PeerId, Term } from "../../../engine/lib/ids.ts";
import { NOBODY } from "../../../engine/lib/ids.ts";
import type { LogStore } from "../../../engine/platform/log-store.ts";
import type { Transport, TransportEvent } from "../../../engine/platform/transport.ts";
import { createRaft } from "../../../engine/raft/raft.ts";
import type { Boot, Effects, Entry, Raft, Status } from "../../../engine/raft/types.ts";
import type { SimProcess } from "../world/sim-process.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreProfile } from "./core-profile.ts";

export type CoreDriverOptions = {
  readonly peerId: PeerId;
  readonly process: SimProcess;
  readonly random: SimRandom;
  readonly logStore: LogStore;
  readonly transport: Transport;
  readonly profile: CoreProfile;
  readonly onApplied: (from: Index, to: Index) => void;
};

export const ELECTION_TICKS = 10;

type Waiter = { readonly index: Index; readonly term: Term; readonly done: (index: Index) => void };

const APPLY_MILLIS_MAX = 3;

/**
 * The least driver that a Raft core can have: the simulator's own, so that a bug of the core shows
 * before the replica exists, and stays apart from a bug of the replica.
 */
export class CoreDriver {
  readonly #options: CoreDriverOptions;
  #raft: Raft | null = null;
  #isPumpDue = false;
  #applied = 0 as Index;
  #applyFreeAt = 0;
  #waiters: Waiter[] = [];
  readonly #reads = new Map<number, (index: Index | null) => void>();
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

  /** Calls back once the entry is applied here; never when it was overwritten or is lost. */
  propose(data: Uint8Array, done: (index: Index) => void): void {
    const result = this.#raft?.propose([data]);
    if (result?.ok) this.#waiters.push({ index: result.first, term: result.term, done });
    this.#pumpSoon();
  }

  read(done: (index: Index | null) => void): void {
    if (this.#raft === null) return;
    const ctx = this.#nextRead++;
    this.#reads.set(ctx, done);
    this.#raft.read(ctx);
    this.#pumpSoon();
  }

  transfer(to: PeerId): void {
    this.#raft?.input({ kind: "transfer", to });
    this.#pumpSoon();
  }

  #start(boot: Boot): void {
    const { peerId, random, transport, profile } = this.#options;
    const { maxMsgBytes, maxInflightMsgs } = profile;
    const timing = { electionTicks: ELECTION_TICKS, heartbeatTicks: 1 };
    this.#applied = boot.applied;
    this.#raft = createRaft(
      { id: peerId, rng: random, ...timing, maxMsgBytes, maxInflightMsgs },
      boot,
    );
    transport.start((event) => this.#onTransport(event));
    this.#tickLater();
    this.#pumpSoon();
  }

  #tickLater(): void {
    this.#options.process.after(this.#options.profile.tickMillis, () => {
      this.#raft?.tick();
      this.#pumpSoon();
      this.#tickLater();
    });
  }

  #onTransport(event: TransportEvent): void {
    switch (event.kind) {
      case "message":
        this.#raft?.step(event.message);
        this.#pumpSoon();
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
      for (let e = this.#raft?.take(); e !== null && e !== undefined; e = this.#raft?.take()) {
        this.#perform(e);
      }
    });
  }

  #perform(effects: Effects): void {
    const { logStore, transport } = this.#options;
    const { persist } = effects;
    for (const message of effects.messages) transport.send(message);
    if (persist !== null) {
      logStore.write(persist, () => {
        this.#raft?.persisted(persist.seq);
        this.#pumpSoon();
      });
    }
    this.#apply(effects.apply);
    for (const { id, lo, hi, maxBytes } of effects.fetch) {
      logStore.entries(lo, hi, maxBytes, (result) => {
        if (!result.ok) throw new Error(result.error.detail);
        this.#raft?.input({ kind: "fetched", id, result: result.value });
        this.#pumpSoon();
      });
    }
    for (const { ctx, index } of effects.reads) {
      this.#reads.get(ctx)?.(index);
      this.#reads.delete(ctx);
    }
  }

  /** The state machine is slow, but in order: batches finish one after the other. */
  #apply(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    const { process, random, onApplied } = this.#options;
    const [now, delay] = [process.nowMillis, random.between(0, APPLY_MILLIS_MAX)];
    this.#applyFreeAt = Math.max(this.#applyFreeAt, now) + delay;
    process.after(this.#applyFreeAt - now, () => {
      onApplied(this.#applied, last.index);
      this.#applied = last.index;
      this.#raft?.applied(last.index);
      this.#answer(entries);
      this.#pumpSoon();
    });
  }

  #answer(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (this.#waiters.length === 0 || last === undefined) return;
    const terms = new Map(entries.map((entry) => [entry.index, entry.term]));
    const due = this.#waiters.filter(({ index }) => index <= last.index);
    this.#waiters = this.#waiters.filter(({ index }) => index > last.index);
    for (const { index, term, done } of due) if (terms.get(index) === term) done(index);
  }
}
