import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId, PeerId } from "../../lib/ids.ts";
import { err, type Result } from "../../lib/result.ts";
import type { ForwardedCall } from "../../platform/leader-link.ts";
import type { ReplicaOptions } from "../../replica/replica.ts";
import { FakeCluster } from "../../replica/testing/fake-cluster.ts";
import type { CommandBody } from "../../state/command.ts";
import { encodeSpec } from "../../state/spec-codec.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext, ApiDeps } from "../context.ts";
import { DigestCache } from "../digest-cache.ts";
import { JobChanges } from "../job-changes.ts";
import { Leadership } from "../leadership.ts";
import { specOf } from "./live-cluster.ts";

type Answer = (call: ForwardedCall) => Result<Uint8Array, NlError>;

/** What operations work with, on a real replica in virtual time. */
export class FakeNode {
  readonly cluster: FakeCluster;
  readonly context: ApiContext;
  readonly peerId: PeerId;
  readonly stopping = new AbortController();
  /** Calls that went to another node. */
  readonly hops: ForwardedCall[] = [];
  answerHop: Answer = () => err(nlError("no_leader", "nobody answers hops here"));

  constructor(
    options: {
      readonly size?: number;
      readonly caPem?: string;
      readonly replica?: Partial<ReplicaOptions>;
      /** The node is one that does not lead. */
      readonly follows?: boolean;
    } = {},
  ) {
    this.cluster = new FakeCluster(options.size ?? 1, () => options.replica ?? {});
    this.cluster.start();
    const leader = this.cluster.leader();
    const follower = this.cluster.nodes.find(({ peerId }) => peerId !== leader.peerId);
    const { replica, nodeId, peerId } = options.follows && follower ? follower : leader;
    this.peerId = peerId;
    const { clock, timers, random } = this.cluster.world;
    const deps: ApiDeps = {
      nodeId,
      version: "test",
      replica,
      duties: {
        heartbeat: (_beat, done) => done(err(nlError("no_leader", "no duties here"))),
        report: (_reports, done) => done(err(nlError("no_leader", "no duties here"))),
        register: (_node, done) => done(err(nlError("no_leader", "no duties here"))),
        hearings: () => new Map(),
        hearDisk: () => {},
        waitingFor: () => "no node has room",
      },
      leaderLink: {
        call: (_leader, call, done) => {
          this.hops.push(call);
          timers.soon(() => done(this.answerHop(call)));
        },
      },
      outputLink: { read: () => none() },
      outputReader: { read: () => none() },
      platform: { clock, timers, random, logger: { log: () => {} } },
      caPem: options.caPem ?? "",
      diskShortage: () => null,
      warnings: () => [],
      onBug: (bug) => {
        throw bug;
      },
    };
    const leadership = new Leadership(replica, timers);
    this.context = {
      ...deps,
      leadership,
      digests: new DigestCache(deps, leadership),
      jobChanges: new JobChanges(),
      startedAtMillis: clock.monotonicMillis(),
      stopping: this.stopping.signal,
    };
    leadership.start();
    replica.listen({ onFacts: (facts) => this.context.jobChanges.onFacts(facts) });
  }

  get caller(): Caller & { readonly signal: AbortSignal } {
    return {
      principal: { kind: "user", name: "alice", role: "admin" },
      deadlineMillis: this.cluster.world.clock.monotonicMillis() + 30_000,
      signal: new AbortController().signal,
      forwarded: false,
    };
  }

  /** Puts jobs into the state, in one entry. */
  submit(...ids: readonly string[]): void {
    const spec = encodeSpec(specOf("hold"));
    this.apply({
      kind: "submit-jobs",
      jobs: ids.map((jobId) => ({ jobId: jobId as JobId, spec })),
    });
  }

  /** Proposes a command to the leader and lets time pass until it is applied there. */
  apply(body: CommandBody): void {
    let isApplied = false;
    this.cluster.leader().replica.propose({ principal: "user/alice", body }, (done) => {
      isApplied = done.ok;
    });
    if (!this.cluster.world.advanceUntil(() => isApplied, 1_000)) throw new Error("not applied");
  }

  /** Lets virtual time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    for (let i = 0; i < 10_000 && !isSettled; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (!isSettled) this.cluster.world.advance(5);
    }
    return promise;
  }
}

async function* none(): AsyncGenerator<never> {}
