import type { Index, PeerId } from "../lib/ids.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotMessage } from "../platform/snapshot-link.ts";
import type { Effects, Raft, SnapshotMeta } from "../raft/types.ts";
import type { ClusterState } from "../state/create-state.ts";
import { StateLoad } from "./load-state.ts";
import type { ReplicaOptions } from "./replica.ts";
import { type HeldSnapshot, type HoldFailure, SnapshotHolds } from "./snapshot-holds.ts";
import { SnapshotMaker } from "./snapshot-maker.ts";
import type { AppliedBatch, StateMachine } from "./state-machine.ts";

type Shipment = Effects["sendSnapshots"][number];

export type SnapshotHooks = {
  /** Runs `work` on the replica's own turn, not at all once it has halted. */
  readonly enqueue: (work: () => void) => void;
  /** The state of an installed snapshot: to be swapped in at once. */
  readonly onLoaded: (state: ClusterState, snapshot: SnapshotMeta) => void;
  /** This version cannot use the snapshot it was sent: a sentence. */
  readonly onRefused: (sentence: string) => void;
  readonly onFailed: (error: StorageError) => void;
};

/**
 * The snapshots of one node: made when they are due, shipped when the core asks, handed to it when
 * they arrive, loaded when it has installed one; and files that nobody needs are deleted. All of it
 * on the replica's turns, in slices.
 */
export class Snapshots {
  readonly #options: ReplicaOptions;
  readonly #raft: Raft;
  readonly #hooks: SnapshotHooks;
  readonly #maker: SnapshotMaker;
  readonly #holds: SnapshotHolds;
  /** What the log begins with: durable. */
  #current: SnapshotMeta | null;
  /** On its way into the log, oldest first. */
  #installing: readonly string[] = [];
  /** Arrived, and not yet known to the core. */
  readonly #arriving = new Set<string>();
  /** Seen by the core in this turn: what it does with it shows in this turn's effects. */
  #stepped: string[] = [];
  readonly #shipping = new Map<PeerId, Shipment>();
  #load: StateLoad | null = null;
  #isTidyDue = false;

  constructor(parts: {
    readonly options: ReplicaOptions;
    readonly raft: Raft;
    readonly machine: StateMachine;
    readonly current: SnapshotMeta | null;
    readonly hooks: SnapshotHooks;
  }) {
    const { options, raft, machine, hooks } = parts;
    this.#options = options;
    this.#raft = raft;
    this.#hooks = hooks;
    this.#current = parts.current;
    this.#holds = new SnapshotHolds(options.platform.snapshots, () => {
      this.#isTidyDue = true;
    });
    this.#maker = new SnapshotMaker(options, machine, {
      enqueue: hooks.enqueue,
      onMade: (snapshot, keepFrom) => this.#onMade(snapshot, keepFrom),
      onFailed: (error) => this.#onNotMade(error),
      onLogFailed: (error) => {
        this.#holds.refuse(error);
        hooks.onFailed(error);
      },
    });
  }

  start(): void {
    this.#options.platform.snapshotLink.start((message) => this.#onArrived(message));
  }

  stop(): void {
    this.#options.platform.snapshotLink.stop();
    this.#maker.abandon();
    this.#load?.cancel();
    this.#holds.refuse({ kind: "stopped" });
  }

  /** One that holds at least what was applied up to there; made now when there is none. */
  hold(atLeast: Index, done: Done<HeldSnapshot, HoldFailure>): void {
    this.#holds.ask(atLeast, done);
    this.#hooks.enqueue(() => {
      if (this.#current !== null) this.#holds.offer(this.#current);
    });
  }

  noteApplied(batch: AppliedBatch): void {
    this.#maker.noteApplied(batch);
  }

  /** At the end of a turn, once the core has nothing more to do. */
  onTurn(): void {
    for (const id of this.#stepped) this.#arriving.delete(id);
    this.#stepped = [];
    const isReplaced = this.#installing.length > 0 || this.#load !== null;
    if (!isReplaced) this.#maker.consider(this.#holds.isWaiting);
    if (this.#isTidyDue) this.#tidy();
  }

  /** The core wants a peer to have this snapshot: answered in any case. */
  ship(shipment: Shipment): void {
    const { to, session, snapshot } = shipment;
    const { peerId: from, platform } = this.#options;
    const { term } = this.#raft.status();
    this.#shipping.set(to, shipment);
    platform.logger.log("info", "a peer needs a snapshot", { to, id: snapshot.id });
    const message: SnapshotMessage = { kind: "snapshot", from, to, term, session, snapshot };
    platform.snapshotLink.send(message, (delivered) => {
      this.#hooks.enqueue(() => {
        if (this.#shipping.get(to) === shipment) this.#shipping.delete(to);
        this.#raft.input({ kind: "snapshot-sent", to, session, ok: delivered });
        this.#isTidyDue = true;
      });
    });
  }

  /** A job that installs it has been handed to the log. */
  noteInstalling(snapshot: SnapshotMeta): void {
    this.#installing = [...this.#installing, snapshot.id];
    this.#maker.giveWay();
  }

  /** It is in the log: load it, and give up whatever was made or loaded of older ones. */
  restore(snapshot: SnapshotMeta): void {
    const { platform } = this.#options;
    const place = this.#installing.indexOf(snapshot.id);
    this.#installing = this.#installing.slice(place + 1);
    this.#current = snapshot;
    this.#holds.offer(snapshot);
    this.#maker.abandon();
    this.#load?.cancel();
    const begun = platform.clock.monotonicMillis();
    this.#load = new StateLoad(platform, snapshot, (loaded) => {
      this.#hooks.enqueue(() => {
        if (this.#current !== snapshot) return;
        this.#load = null;
        if (loaded.ok) {
          const tookMillis = Math.round(platform.clock.monotonicMillis() - begun);
          const { id, index, bytes } = snapshot;
          platform.logger.log("info", "took over a snapshot", { id, index, bytes, tookMillis });
          this.#hooks.onLoaded(loaded.value, snapshot);
          this.#isTidyDue = true;
        } else if (loaded.error.kind === "refused") {
          this.#hooks.onRefused(loaded.error.detail);
        } else {
          this.#hooks.onFailed(loaded.error);
        }
      });
    });
  }

  #onMade(snapshot: SnapshotMeta, keepFrom: Index): void {
    this.#current = snapshot;
    this.#holds.offer(snapshot);
    this.#raft.input({ kind: "snapshot-created", snapshot, keepFrom });
    this.#isTidyDue = true;
  }

  /** A snapshot that finds no room is no loss: the log is whole, and the next one may find some. */
  #onNotMade(error: StorageError): void {
    this.#holds.refuse(error);
    if (error.kind !== "full") this.#hooks.onFailed(error);
  }

  /**
   * Whole and verified; but a deletion that was under way may have caught it since. From now on it
   * is kept, so a look at it decides.
   */
  #onArrived(message: SnapshotMessage): void {
    const { snapshots } = this.#options.platform;
    const { id } = message.snapshot;
    this.#arriving.add(id);
    snapshots.readChunk(message.snapshot, 0, 1, (read) => {
      this.#hooks.enqueue(() => {
        if (read.ok) this.#raft.step(message);
        this.#stepped.push(id);
      });
    });
  }

  #tidy(): void {
    this.#isTidyDue = false;
    const shipping = [...this.#shipping.values()].map(({ snapshot }) => snapshot.id);
    const making = this.#maker.id === null ? [] : [this.#maker.id];
    this.#options.platform.snapshots.keepOnly([
      ...new Set([
        ...(this.#current === null ? [] : [this.#current.id]),
        ...this.#installing,
        ...this.#arriving,
        ...shipping,
        ...making,
        ...this.#holds.ids,
      ]),
    ]);
  }
}
