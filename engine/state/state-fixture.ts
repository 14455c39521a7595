import { assert } from "../lib/assert.ts";
import {
  type AttemptId,
  attemptId,
  following,
  type Index,
  type JobId,
  type NodeId,
  type PeerId,
  type UnixMillis,
} from "../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { apply, type Change } from "./apply.ts";
import type { Attempt, Job, NodeRecord } from "./cluster-state.ts";
import type { AttemptReport, CommandBody, Outcome, RegisterNode } from "./command.ts";
import { encodeCommand } from "./command-codec.ts";
import { type ClusterState, createState } from "./create-state.ts";
import { encodeSpec } from "./spec-codec.ts";
import { STATE_LIMITS, type StateLimits } from "./state-store.ts";

export const START = 1_000_000 as UnixMillis;

export const specWith = (change: Partial<JobSpec> = {}): JobSpec => ({
  ...SPEC_DEFAULTS,
  name: "test",
  command: ["true"],
  image: "",
  env: {},
  labels: {},
  ...change,
});

/** A job id for a small number: `job(7)`. */
export const job = (number: number): JobId => String(number).padStart(12, "0") as JobId;

export const node = (number: number): NodeId => `n${number}` as NodeId;

export const nodeInfo = (number: number, change: Partial<RegisterNode> = {}): RegisterNode => ({
  nodeId: node(number),
  peerId: number as PeerId,
  storeId: `store-${number}`,
  roles: ["server", "worker"],
  rpcAddress: `127.0.0.1:${7170 + number}`,
  httpAddress: `127.0.0.1:${7180 + number}`,
  cpuMillis: 4_000,
  memoryBytes: 8 * 1024 ** 3,
  slots: 4,
  drivers: ["docker", "bubblewrap"],
  labels: {},
  featureLevel: 1,
  version: "0.1.0",
  ...change,
});

const reportOf = (attempt: Attempt, change: Partial<AttemptReport>): AttemptReport => ({
  attemptId: attempt.id,
  nodeId: attempt.nodeId,
  fence: attempt.fence,
  phase: "exited",
  startedAt: null,
  finishedAt: null,
  end: null,
  exitCode: null,
  signal: "",
  detail: "",
  stdoutBytes: 0,
  stderrBytes: 0,
  outputAtLeast: false,
  driver: "",
  peakMemoryBytes: 0,
  ...change,
});

/** A state and the commands that tests speak of, each one entry of the log. */
export class TestCluster {
  readonly state: ClusterState;
  readonly entries: {
    readonly index: Index;
    readonly kind: "normal";
    readonly data: Uint8Array;
  }[] = [];
  now = START;

  constructor(options: { readonly nodes?: number; readonly limits?: StateLimits } = {}) {
    const members = Array.from({ length: options.nodes ?? 0 }, (_, i) => nodeInfo(i + 1));
    this.state = createState(
      { clusterId: "c1", clusterName: "test", at: START, members },
      options.limits ?? STATE_LIMITS,
    );
    for (const member of members) this.run({ kind: "register-node", node: member });
  }

  /** Applies one command and returns what it changed. */
  change(body: CommandBody, envelope: { level?: number; principal?: string } = {}): Change {
    const { level = 1, principal = "user/alice" } = envelope;
    const data = encodeCommand({ level, at: this.now, principal, body });
    const entry = { index: following(this.state.appliedIndex), kind: "normal", data } as const;
    this.entries.push(entry);
    const result = apply(this.state, entry);
    assert(result.ok, "a test's command is known");
    return result.value;
  }

  /** Applies one command that has one outcome. */
  run(body: CommandBody): Outcome {
    const [outcome] = this.change(body).outcomes;
    assert(outcome !== undefined, "a command has an outcome");
    return outcome;
  }

  wait(millis: number): void {
    this.now = (this.now + millis) as UnixMillis;
  }

  submit(number: number, change: Partial<JobSpec> = {}): Outcome {
    const spec = encodeSpec(specWith(change));
    return this.run({ kind: "submit-jobs", jobs: [{ jobId: job(number), spec }] });
  }

  /** Gives the job's next attempt to a node. */
  assign(number: number, nodeNumber = 1): Change {
    const run = this.job(number).run;
    return this.change({
      kind: "assign-attempts",
      assignments: [
        {
          jobId: job(number),
          number: (run?.attempt ?? 0) + 1,
          nodeId: node(nodeNumber),
          cause: run?.cause ?? "first",
        },
      ],
    });
  }

  report(number: number, change: Partial<AttemptReport>): Change {
    return this.reportAttempt(this.newest(number), change);
  }

  reportAttempt(attempt: Attempt, change: Partial<AttemptReport>): Change {
    return this.change({ kind: "report-attempts", reports: [reportOf(attempt, change)] });
  }

  /** Assigned, running, and exited with `exitCode`. */
  finish(number: number, exitCode: number): Change {
    return this.report(number, { end: "exited", exitCode });
  }

  /** Declined by its node, which is drained and undrained for that. */
  decline(number: number): Change {
    const { nodeId } = this.newest(number);
    this.run({ kind: "drain-node", nodeId, deadlineMillis: 1_000, message: "" });
    const change = this.report(number, { phase: "declined" });
    this.run({ kind: "undrain-node", nodeId });
    return change;
  }

  /** Submitted, assigned and running on a node. */
  start(number: number, change: Partial<JobSpec> = {}, nodeNumber = 1): void {
    this.submit(number, change);
    this.assign(number, nodeNumber);
    this.report(number, { phase: "running", startedAt: this.now });
  }

  cancel(number: number): Outcome {
    return this.run({ kind: "cancel-job", jobId: job(number) });
  }

  mark(nodeNumber: number, liveness: "alive" | "lost"): Change {
    return this.change({ kind: "mark-node", nodeId: node(nodeNumber), liveness });
  }

  job(number: number): Job {
    const found = this.state.jobs.get(job(number));
    assert(found !== undefined, "a test asks for a job that exists");
    return found;
  }

  node(number: number): NodeRecord {
    const found = this.state.nodes.get(node(number));
    assert(found !== undefined, "a test asks for a node that exists");
    return found;
  }

  attempt(number: number, attemptNumber: number): Attempt {
    const id: AttemptId = attemptId(job(number), attemptNumber);
    const found = this.state.attempt(id);
    assert(found !== undefined, "a test asks for an attempt that exists");
    return found;
  }

  newest(number: number): Attempt {
    return this.attempt(number, this.job(number).run?.attempt ?? 0);
  }
}
