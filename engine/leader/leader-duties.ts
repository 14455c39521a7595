import type { NlError } from "../lib/error-code.ts";
import type { Index, JobId, NodeId, Term } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { Heartbeat, HeartbeatAnswer } from "../platform/control-link.ts";
import type { AttemptReport, RegisterNode } from "../state/command.ts";
import type { Fact } from "../state/fact.ts";
import { HandOver } from "./hand-over.ts";
import { Heartbeats, noLeader } from "./heartbeats.ts";
import { KeepMembers } from "./keep-members.ts";
import { type LeaderDutiesOptions, Leadership } from "./leadership.ts";
import { NodeDisks } from "./node-disks.ts";
import { PlaceWork } from "./place-work.ts";
import { proposeError, registrationError } from "./propose-error.ts";
import { ReportBatcher } from "./report-batcher.ts";
import { unanswering } from "./unanswering.ts";
import { WatchNodes } from "./watch-nodes.ts";

/** What the leader has heard of a node since it began to lead. */
type NodeHearing = {
  /** Milliseconds since its last heartbeat arrived here. */
  readonly lastHeardMillis: number;
  /** Silent for so long that it gets no new work. */
  readonly suspect: boolean;
  /** Null until it sent one to this leader. */
  readonly beat: Heartbeat | null;
};

/**
 * What only the leader does. While this node does not lead, or its own no-op is not applied yet,
 * every call is answered `no_leader` and there is nothing to know.
 */
export interface LeaderDuties {
  heartbeat(beat: Heartbeat, done: Done<HeartbeatAnswer, NlError>): void;
  /** Done = committed and applied here. */
  report(reports: readonly AttemptReport[], done: Done<Index, NlError>): void;
  register(node: RegisterNode, done: Done<Index, NlError>): void;
  hearings(): ReadonlyMap<NodeId, NodeHearing>;
  /** What a node says of its disk; `considerHandOver` when this node's own has changed. */
  hearDisk(nodeId: NodeId, isLow: boolean): void;
  considerHandOver(): void;
  /** One sentence; empty when the job does not wait, or this node does not lead. */
  waitingFor(jobId: JobId): string;
  stop(): void;
}

/** Begins with the replica's `onLeading` and ends with its next change of role. */
export function createLeaderDuties(options: LeaderDutiesOptions): LeaderDuties {
  return new RunningDuties(options);
}

/** Everything that one term of leading runs. */
type Duties = {
  readonly leadership: Leadership;
  readonly nodes: WatchNodes;
  readonly disks: NodeDisks;
  readonly heartbeats: Heartbeats;
  readonly reports: ReportBatcher;
  readonly placing: PlaceWork;
  readonly handOver: HandOver;
  readonly members: KeepMembers;
};

class RunningDuties implements LeaderDuties {
  readonly #options: LeaderDutiesOptions;
  readonly #unlisten: () => void;
  #duties: Duties | null = null;

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
    this.#unlisten = options.replica.listen({
      onLeading: (term) => this.#begin(term),
      onRole: ({ role, term }) => {
        if (role !== "leader" || this.#duties?.leadership.term !== term) this.#end();
      },
      onFacts: (facts) => this.#onFacts(facts),
      onStopped: () => this.#end(),
    });
  }

  stop(): void {
    this.#unlisten();
    this.#end();
  }

  heartbeat(beat: Heartbeat, done: Done<HeartbeatAnswer, NlError>): void {
    if (this.#duties === null) this.#refuse(done);
    else this.#duties.heartbeats.receive(beat, done);
  }

  report(reports: readonly AttemptReport[], done: Done<Index, NlError>): void {
    if (this.#duties === null) this.#refuse(done);
    else this.#duties.reports.receive(reports, done);
  }

  register(node: RegisterNode, done: Done<Index, NlError>): void {
    const duties = this.#duties;
    if (duties === null) {
      this.#refuse(done);
      return;
    }
    duties.leadership.propose({ kind: "register-node", node }, (proposed) => {
      if (!proposed.ok) {
        done(err(proposeError(proposed.error)));
        return;
      }
      const outcome = proposed.value.outcomes[0];
      if (outcome?.kind === "refused") {
        done(err(registrationError(node.nodeId, outcome.refusal)));
        return;
      }
      duties.nodes.hearRegistration(node.nodeId);
      done(ok(proposed.value.index));
    });
  }

  hearings(): ReadonlyMap<NodeId, NodeHearing> {
    const hearings = new Map<NodeId, NodeHearing>();
    const duties = this.#duties;
    if (duties === null) return hearings;
    for (const { nodeId, agoMillis, beat } of duties.nodes.heard()) {
      const suspect = duties.nodes.suspects.has(nodeId);
      hearings.set(nodeId, { lastHeardMillis: agoMillis, suspect, beat });
    }
    return hearings;
  }

  hearDisk(nodeId: NodeId, isLow: boolean): void {
    this.#duties?.disks.hear(nodeId, isLow);
  }

  considerHandOver(): void {
    this.#duties?.placing.planSoon();
    this.#duties?.handOver.consider();
  }

  waitingFor(jobId: JobId): string {
    return this.#duties?.placing.waitingFor(jobId) ?? "";
  }

  #begin(term: Term): void {
    this.#end();
    const leadership = new Leadership(term, this.#options);
    const nodes = new WatchNodes(leadership, () => placing.planSoon());
    const disks = new NodeDisks(() => placing.planSoon());
    const { nodeId, isDiskLow } = this.#options;
    const placing = new PlaceWork(leadership, () => ({
      suspects: nodes.suspects,
      unanswering: unanswering(this.#options.replica),
      lowOnDisk: isDiskLow() ? new Set([...disks.low, nodeId]) : disks.low,
    }));
    const heartbeats = new Heartbeats(leadership, nodes);
    const reports = new ReportBatcher(leadership);
    const handOver = new HandOver(leadership, nodes, disks);
    const members = new KeepMembers(leadership);
    const watching = { nodes, disks, heartbeats, reports };
    this.#duties = { leadership, ...watching, placing, handOver, members };
  }

  #end(): void {
    const duties = this.#duties;
    if (duties === null) return;
    this.#duties = null;
    duties.leadership.end();
    duties.heartbeats.end();
    duties.reports.end(noLeader());
  }

  #onFacts(facts: readonly Fact[]): void {
    const duties = this.#duties;
    if (duties === null || facts.length === 0) return;
    duties.placing.onFacts(facts);
    duties.members.onFacts(facts);
    for (const fact of facts) {
      if (fact.kind !== "node-changed") continue;
      duties.nodes.onNodeChanged(fact.nodeId);
      if (fact.nodeId === this.#options.nodeId) duties.handOver.consider();
    }
  }

  #refuse<T>(done: Done<T, NlError>): void {
    this.#options.timers.soon(() => done(err(noLeader())));
  }
}
