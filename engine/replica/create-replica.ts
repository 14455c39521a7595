import { assert } from "../lib/assert.ts";
import { type Index, NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { ConfOp, Entry, TransferOutcome } from "../raft/types.ts";
import type { ClusterView } from "../state/cluster-state.ts";
import { loadNode } from "./boot.ts";
import type { LatencyView } from "./latencies.ts";
import { Listeners } from "./listeners.ts";
import { Loop } from "./loop.ts";
import type { Proposal } from "./proposals.ts";
import type { ReadFailure } from "./reads.ts";
import type {
  MembershipFailure,
  Replica,
  ReplicaListener,
  ReplicaOptions,
  ReplicaStatus,
} from "./replica.ts";
import type { HeldSnapshot, HoldFailure } from "./snapshot-holds.ts";
import { bestSuccessor } from "./transfers.ts";

/** How long a stopping leader waits for its successor. */
const HAND_OVER_MILLIS_MAX = 1_000;
const ENTRIES_BYTES_MAX = 1024 * 1024;

export function createReplica(options: ReplicaOptions): Replica {
  return new RunningReplica(options);
}

/** The door to the loop: what others may ask of it, before, while and after it runs. */
class RunningReplica implements Replica {
  readonly #options: ReplicaOptions;
  readonly #listeners = new Listeners();
  #loop: Loop | null = null;
  #isStopping = false;
  #closing: (() => void)[] | null = null;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  get view(): ClusterView {
    return this.#running().machine.state;
  }

  start(done: (result: Result<void, StorageError>) => void): void {
    assert(this.#loop === null, "a replica starts once");
    loadNode(this.#options.clusterId, this.#options.platform, (loaded) => {
      if (!loaded.ok) {
        done(loaded);
        return;
      }
      this.#loop = new Loop(this.#options, loaded.value, this.#listeners);
      if (!this.#isStopping) this.#loop.start();
      done(ok(undefined));
    });
  }

  stop(options: { readonly handOver: boolean }, done: () => void): void {
    const successor = options.handOver ? this.#successor() : NOBODY;
    const wasStopping = this.#isStopping;
    this.#isStopping = true;
    if (wasStopping || successor === NOBODY) {
      this.#close(done);
      return;
    }
    let isAnswered = false;
    const close = (): void => {
      if (isAnswered) return;
      isAnswered = true;
      this.#close(done);
    };
    this.#options.platform.timers.after(HAND_OVER_MILLIS_MAX, close);
    this.transferLeader(successor, close);
  }

  propose(
    proposal: { readonly principal: string; readonly body: Proposal["body"] },
    done: Proposal["done"],
  ): void {
    const loop = this.#loop;
    if (loop === null || loop.isHalted) {
      this.#answerSoon(() => done(err({ kind: "stopped" })));
      return;
    }
    const { principal, body } = proposal;
    if (loop.proposals.add({ principal, body, done })) loop.wake();
    else loop.answerSoon(() => done(err({ kind: "overloaded" })));
  }

  hasRoom(): boolean {
    return this.#loop?.proposals.hasRoom() ?? false;
  }

  whenRoom(callback: () => void): void {
    const loop = this.#running();
    loop.proposals.whenRoom(callback);
    loop.wake();
  }

  readBarrier(done: Done<Index, ReadFailure>, options = { isPatient: false }): void {
    const loop = this.#loop;
    if (loop === null || loop.isHalted || loop.stopped !== "") {
      this.#answerSoon(() => done(err("stopped")));
      return;
    }
    const expiresAtMillis = loop.nowMillis() + this.#options.commitWaitMillis;
    const { isPatient } = options;
    if (!loop.reads.add({ expiresAtMillis, isPatient, done })) {
      loop.answerSoon(() => done(err("timed-out")));
    } else if (!isPatient) loop.wake();
  }

  transferLeader(to: PeerId, done: Done<Term, TransferOutcome | "not-leader">): void {
    const loop = this.#loop;
    if (loop === null || loop.isHalted || loop.role.role !== "leader") {
      this.#answerSoon(() => done(err("not-leader")));
      return;
    }
    const expiresAtMillis = loop.nowMillis() + this.#options.commitWaitMillis;
    loop.transfers.add({ to, expiresAtMillis, done });
    loop.requestTransfer(to);
  }

  changeMembership(changes: readonly ConfOp[], done: Done<Index, MembershipFailure>): void {
    const loop = this.#loop;
    if (loop === null || loop.isHalted || loop.stopped !== "") {
      this.#answerSoon(() => done(err({ kind: "stopped" })));
      return;
    }
    const expiresAtMillis = loop.nowMillis() + this.#options.commitWaitMillis;
    if (loop.membership.add({ changes, expiresAtMillis, done })) loop.wake();
    else loop.answerSoon(() => done(err({ kind: "overloaded" })));
  }

  listen(listener: ReplicaListener): () => void {
    return this.#listeners.add(listener);
  }

  status(): ReplicaStatus {
    const loop = this.#running();
    const raft = loop.raft.status();
    const { role, leader } = loop.role;
    const isCurrent = leader !== NOBODY && loop.machine.appliedTerm === raft.term;
    const ready = isCurrent && loop.stopped === "" && !loop.isHalted;
    return { raft, role, leader, ready, stopped: loop.stopped };
  }

  latencies(): LatencyView {
    const loop = this.#running();
    return loop.latencies.view(loop.nowMillis());
  }

  entries(lo: Index, hi: Index, done: Done<readonly Entry[] | "compacted", StorageError>): void {
    this.#options.platform.logStore.entries(lo, hi, ENTRIES_BYTES_MAX, done);
  }

  holdSnapshot(atLeast: Index, done: Done<HeldSnapshot, HoldFailure>): void {
    const loop = this.#loop;
    if (loop === null || loop.isHalted || loop.stopped !== "") {
      this.#answerSoon(() => done(err({ kind: "stopped" })));
      return;
    }
    loop.snapshots.hold(atLeast, done);
  }

  /** Only a leader has a successor. */
  #successor(): PeerId {
    const loop = this.#loop;
    if (loop === null || loop.isHalted || loop.role.role !== "leader") return NOBODY;
    const { progress } = loop.raft.status();
    return bestSuccessor(progress, this.#options.peerId)?.id ?? NOBODY;
  }

  /** Whoever asked to stop is told once the store is closed, which happens once. */
  #close(done: () => void): void {
    if (this.#closing !== null) {
      this.#closing.push(done);
      return;
    }
    const waiting = [done];
    this.#closing = waiting;
    this.#loop?.halt();
    this.#options.platform.logStore.close((closed) => {
      if (!closed.ok) {
        const { kind, detail } = closed.error;
        this.#options.platform.logger.log("error", "the log store did not close", { kind, detail });
      }
      this.#closing = [];
      for (const tell of waiting) tell();
    });
  }

  #answerSoon(answer: () => void): void {
    this.#options.platform.timers.soon(answer);
  }

  #running(): Loop {
    assert(this.#loop !== null, "the replica has started");
    return this.#loop;
  }
}
