import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId, UnixMillis } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ClusterView } from "../../state/cluster-state.ts";
import type { Fact } from "../../state/fact.ts";
import type { ApiContext } from "../context.ts";
import { jobOf } from "../job-changes.ts";
import { statusMessage } from "../operations/status.ts";
import { draining } from "../refusals.ts";
import { type Change, ChangeRing } from "./change-ring.ts";
import { deltaFrames, type RowSource, SharedFrame } from "./frames.ts";
import { PendingChanges, type WatchFilter } from "./pending-changes.ts";
import { endOf, isAfter, type Revision } from "./revision.ts";
import { Subscriber, type WatchSink } from "./subscriber.ts";

/** Changes kept for readers that come back. */
const RING_CAPACITY = 10_000;
const SUBSCRIBERS_MAX = 1_000;
/** Changes of this time make one frame, and the last state of a row wins. */
const WINDOW_MILLIS = 100;
const BEAT_MILLIS = 1_000;
/** A reader that takes nothing for so long gets a new snapshot, then is let go. */
const RESYNC_AFTER_MILLIS = 10_000;
const END_AFTER_MILLIS = 60_000;

export type WatchSession = {
  /** The reader takes frames again. */
  readonly drained: () => void;
  readonly close: () => void;
};

/** Readers with the same filter: each frame is built and encoded once for all of them. */
type Group = {
  readonly filter: WatchFilter;
  readonly subscribers: Set<Subscriber>;
  readonly window: PendingChanges;
  isFlushDue: boolean;
};

/** Tells every watcher of this node what was applied here. */
export class WatchHub {
  readonly #context: ApiContext;
  readonly #groups = new Map<string, Group>();
  /** The groups of one job each; they are told at once. */
  readonly #byJob = new Map<JobId, Set<Group>>();
  readonly #ring: ChangeRing;
  #count = 0;
  #cancelBeat: (() => void) | null = null;

  constructor(context: ApiContext) {
    this.#context = context;
    this.#ring = new ChangeRing(RING_CAPACITY, endOf(context.replica.view.appliedIndex));
  }

  /** The revision that has seen everything applied here. */
  get revision(): Revision {
    return this.#ring.newest;
  }

  /** `since` null = from a snapshot. Frames may be sent before this returns. */
  subscribe(
    request: {
      readonly filter: WatchFilter;
      readonly wantsStatus: boolean;
      readonly finishedLimit: number;
      readonly since: Revision | null;
    },
    sink: WatchSink,
  ): Result<WatchSession, NlError> {
    if (this.#count >= SUBSCRIBERS_MAX) return err(tooManyWatchers());
    const subscriber = new Subscriber({ ...request, sink });
    const group = this.#join(subscriber);
    subscriber.send(this.#hello(), this.#now());
    this.#begin(subscriber, request.since);
    this.#pump(subscriber);
    if (subscriber.wantsStatus) subscriber.send(this.#statusFrame(), this.#now());
    let isOpen = true;
    return ok({
      drained: () => {
        if (!isOpen) return;
        subscriber.drained();
        this.#pump(subscriber);
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        this.#leave(subscriber, group);
      },
    });
  }

  /** To be called with every batch of facts, on the replica's turn. */
  onFacts(facts: readonly Fact[], view: ClusterView): void {
    const urgent = new Set<Group>();
    for (const fact of facts) {
      const change: Change = { fact, at: view.appliedAt as UnixMillis };
      this.#ring.push(change);
      if (this.#count > 0) this.#note(change, urgent);
    }
    for (const group of urgent) this.#flush(group);
  }

  stop(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = null;
    const error = draining(this.#context.nodeId);
    for (const group of [...this.#groups.values()]) {
      for (const subscriber of [...group.subscribers]) {
        this.#leave(subscriber, group);
        subscriber.end(error);
      }
    }
  }

  #note(change: Change, urgent: Set<Group>): void {
    const jobId = jobOf(change.fact);
    const byJob = jobId && this.#byJob.get(jobId);
    if (byJob) {
      for (const group of byJob) {
        group.window.add(change, group.filter);
        urgent.add(group);
      }
    }
    for (const group of this.#groups.values()) {
      if (group.filter.jobId !== null) continue;
      group.window.add(change, group.filter);
      if (group.isFlushDue) continue;
      group.isFlushDue = true;
      this.#context.platform.timers.after(WINDOW_MILLIS, () => this.#flush(group));
    }
  }

  /** One set of frames for every reader that keeps up; the others keep what they missed. */
  #flush(group: Group): void {
    group.isFlushDue = false;
    if (group.window.revision === null) return;
    const source = this.#source(group.filter);
    const frames = deltaFrames(source, group.window);
    const now = this.#now();
    for (const subscriber of group.subscribers) {
      if (subscriber.isCurrent) {
        for (const frame of frames) subscriber.send(frame, now);
      } else {
        subscriber.keep(group.window);
        this.#pump(subscriber);
      }
    }
    group.window.clear();
  }

  #begin(subscriber: Subscriber, since: Revision | null): void {
    const { view } = this.#context.replica;
    if (since === null) {
      subscriber.startSnapshot(view, this.#ring.newest);
      return;
    }
    const isAhead = isAfter(since, this.#ring.newest) && since.index > view.appliedIndex;
    const missed = isAhead ? null : this.#ring.since(since);
    if (missed === null) {
      subscriber.requireResync(
        isAhead ? "this node is behind that revision" : "that revision is too old",
      );
      return;
    }
    const changes = new PendingChanges();
    for (const change of missed) changes.add(change, subscriber.filter);
    if (changes.revision !== null) subscriber.keep(changes);
  }

  #pump(subscriber: Subscriber): void {
    const source = this.#source(subscriber.filter);
    subscriber.pump(source, { now: this.#now(), revision: this.#ring.newest });
  }

  #join(subscriber: Subscriber): Group {
    const { filter } = subscriber;
    const key = `${filter.jobs}.${filter.nodes}.${filter.events}.${filter.jobId ?? ""}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const subscribers = new Set<Subscriber>();
      group = { filter, subscribers, window: new PendingChanges(), isFlushDue: false };
      this.#groups.set(key, group);
      if (filter.jobId !== null) {
        const groups = this.#byJob.get(filter.jobId) ?? new Set();
        this.#byJob.set(filter.jobId, groups.add(group));
      }
    }
    // What the group has gathered so far is in the snapshot, or among the changes since.
    this.#flush(group);
    group.subscribers.add(subscriber);
    this.#count += 1;
    if (this.#count === 1) this.#scheduleBeat();
    return group;
  }

  #leave(subscriber: Subscriber, group: Group): void {
    if (!group.subscribers.delete(subscriber)) return;
    this.#count -= 1;
    if (group.subscribers.size > 0) return;
    for (const [key, value] of this.#groups) if (value === group) this.#groups.delete(key);
    const { jobId } = group.filter;
    const groups = jobId === null ? undefined : this.#byJob.get(jobId);
    groups?.delete(group);
    if (jobId !== null && groups?.size === 0) this.#byJob.delete(jobId);
  }

  #scheduleBeat(): void {
    this.#cancelBeat = this.#context.platform.timers.after(BEAT_MILLIS, () => {
      if (this.#count === 0) return;
      this.#beat();
      this.#scheduleBeat();
    });
  }

  /** Once a second: a ping for everyone, the status for who wants it, patience with the slow. */
  #beat(): void {
    const now = this.#now();
    const sentAt = this.#context.platform.clock.now();
    const ping = new SharedFrame({ $case: "ping", value: { sentAt } });
    const status = this.#statusFrame();
    for (const group of [...this.#groups.values()]) {
      for (const subscriber of [...group.subscribers]) {
        if (subscriber.blockedAtMillis === null) {
          if (subscriber.wantsStatus) subscriber.send(status, now);
          subscriber.send(ping, now);
        } else {
          this.#judge(subscriber, group, now - subscriber.blockedAtMillis);
        }
      }
    }
  }

  #judge(subscriber: Subscriber, group: Group, blockedMillis: number): void {
    if (blockedMillis >= END_AFTER_MILLIS) {
      this.#leave(subscriber, group);
      subscriber.end(nlError("overloaded", "the reader takes nothing", "watch again", 1_000));
    } else if (blockedMillis >= RESYNC_AFTER_MILLIS) {
      subscriber.requireResync("the reader was too slow");
    }
  }

  /** A snapshot replaced the state: which rows changed is not known. */
  onRestored(view: ClusterView): void {
    this.#ring.reset(endOf(view.appliedIndex));
    for (const group of this.#groups.values()) {
      group.window.clear();
      for (const subscriber of group.subscribers) {
        subscriber.requireResync("this node took over a snapshot");
        this.#pump(subscriber);
      }
    }
  }

  #hello(): SharedFrame {
    const { replica, nodeId } = this.#context;
    const addresses: string[] = [];
    for (const node of replica.view.nodes.values()) {
      if (node.roles.includes("server") && node.rpcAddress !== "") addresses.push(node.rpcAddress);
    }
    const { clusterName } = replica.view;
    return new SharedFrame({ $case: "hello", value: { nodeId, clusterName, addresses } });
  }

  #statusFrame(): SharedFrame {
    return new SharedFrame({ $case: "status", value: statusMessage(this.#context) });
  }

  #source(filter: WatchFilter): RowSource {
    const { duties, replica, digests } = this.#context;
    return {
      view: replica.view,
      hearings: digests.hearings(),
      isDetailed: filter.jobId !== null,
      waitingFor: (jobId) => duties.waitingFor(jobId),
    };
  }

  #now(): number {
    return this.#context.platform.clock.monotonicMillis();
  }
}

const tooManyWatchers = (): NlError =>
  nlError(
    "overloaded",
    `this node serves ${SUBSCRIBERS_MAX} watchers already`,
    "watch another node",
    5_000,
  );
