import { describe, expect, test } from "bun:test";
import type { AttemptId, Index, JobId, NodeId, UnixMillis } from "../lib/ids.ts";
import type { TaskPhase, TaskStatus } from "../platform/task-host.ts";
import type { Attempt, AttemptState, DrainIntent } from "../state/cluster-state.ts";
import { type Action, type ReconcileInput, reconcile, type WantedAttempt } from "./reconcile.ts";
import { taskStatus } from "./testing/fake-task-host.ts";

const ID = "0123456789ab.1" as AttemptId;
const NODE = "n1" as NodeId;
const NOW = 1_000_000 as UnixMillis;

type Case = {
  readonly name: string;
  readonly attempt?: AttemptState;
  readonly wanted?: Partial<WantedAttempt>;
  readonly task?: TaskPhase;
  readonly status?: Partial<TaskStatus>;
  readonly input?: Partial<ReconcileInput>;
  readonly expected: readonly string[];
};

const CASES: readonly Case[] = [
  { name: "starts what is assigned", attempt: "assigned", expected: ["start"] },
  {
    name: "starts nothing without a lease",
    attempt: "assigned",
    input: { mayAct: false },
    expected: [],
  },
  {
    name: "concludes nothing from a host that has not told everything",
    attempt: "running",
    input: { isListed: false },
    expected: [],
  },
  {
    name: "repeats a start that shows no effect",
    attempt: "assigned",
    input: { starting: new Set([ID]) },
    expected: ["start"],
  },
  {
    name: "does not call it cancelled while a start may be on its way",
    attempt: "assigned",
    wanted: { isCancelling: true },
    input: { starting: new Set([ID]), mayAct: false },
    expected: [],
  },
  {
    name: "reports a cancelled attempt that never started, with or without a lease",
    attempt: "assigned",
    wanted: { isCancelling: true },
    input: { mayAct: false },
    expected: ["report exited cancelled"],
  },
  {
    name: "declines unstarted work while draining",
    attempt: "assigned",
    input: { drain: drainUntil(NOW + 1_000) },
    expected: ["report declined"],
  },
  {
    name: "starts after an undrain what it may have declined: that decline counts no more",
    attempt: "assigned",
    input: { drain: null },
    expected: ["start"],
  },
  {
    name: "calls a started task that the host does not know an agent fault",
    attempt: "starting",
    expected: ["report exited agent-fault"],
  },
  {
    name: "calls a running task that the host does not know an agent fault",
    attempt: "running",
    expected: ["report exited agent-fault"],
  },
  {
    name: "reports that a task is being prepared",
    attempt: "assigned",
    task: "preparing",
    expected: ["report starting"],
  },
  {
    name: "reports that it runs",
    attempt: "starting",
    task: "running",
    expected: ["report running"],
  },
  { name: "is content with what is known", attempt: "running", task: "running", expected: [] },
  { name: "is content while it starts", attempt: "starting", task: "starting", expected: [] },
  {
    name: "reports an exit without waiting for `running` to be committed",
    attempt: "assigned",
    task: "exited",
    expected: ["report exited exited"],
  },
  {
    name: "stops what is cancelled with the grace of its spec",
    attempt: "running",
    wanted: { isCancelling: true, graceMillis: 3_000 },
    task: "running",
    expected: ["stop cancelled 3000"],
  },
  {
    name: "stops once",
    attempt: "running",
    wanted: { isCancelling: true },
    task: "stopping",
    expected: [],
  },
  {
    name: "lets running work finish while draining",
    attempt: "running",
    task: "running",
    input: { drain: drainUntil(NOW + 1) },
    expected: [],
  },
  {
    name: "stops running work at the drain's deadline",
    attempt: "running",
    task: "running",
    input: { drain: drainUntil(NOW) },
    expected: ["stop drain 10000"],
  },
  {
    name: "settles a finished task whose result is committed",
    attempt: "exited",
    wanted: { standing: "over" },
    task: "exited",
    expected: ["settle"],
  },
  {
    name: "kills a task whose attempt is over",
    attempt: "lost",
    wanted: { standing: "over", graceMillis: 2_000 },
    task: "running",
    expected: ["stop unknown 2000"],
  },
  {
    name: "kills nothing without a lease",
    attempt: "lost",
    wanted: { standing: "over" },
    task: "running",
    input: { mayAct: false },
    expected: [],
  },
  { name: "kills a task that nobody knows", task: "running", expected: ["stop unknown 10000"] },
  { name: "removes a finished task that nobody knows", task: "exited", expected: ["remove"] },
  {
    name: "keeps a finished task that nobody knows while it has no lease",
    task: "exited",
    input: { mayAct: false },
    expected: [],
  },
  {
    name: "reports a finished result of an attempt that was called lost",
    attempt: "lost",
    wanted: { standing: "awaited" },
    task: "exited",
    expected: ["report exited exited"],
  },
  {
    name: "does not offer a task ended by its lease as a late result",
    attempt: "lost",
    wanted: { standing: "awaited" },
    task: "exited",
    status: { end: "lease-lost" },
    expected: ["settle"],
  },
];

describe("reconcile", () => {
  for (const one of CASES) {
    test(one.name, () => {
      const wanted = one.attempt === undefined ? [] : [[ID, wantedAttempt(one)] as const];
      const status = one.task === undefined ? [] : [[ID, statusOf(one.task, one.status)] as const];

      const actions = reconcile({
        nodeId: NODE,
        attempts: new Map(wanted),
        tasks: new Map(status),
        starting: new Set(),
        isListed: true,
        mayAct: true,
        drain: null,
        now: NOW,
        ...one.input,
      });

      expect(actions.map(describeAction)).toEqual([...one.expected]);
    });
  }
});

function describeAction(action: Action): string {
  switch (action.kind) {
    case "report":
      return ["report", action.report.phase, action.report.end ?? ""].join(" ").trim();
    case "stop":
      return `stop ${action.reason} ${action.graceMillis}`;
    case "start":
    case "settle":
    case "remove":
      return action.kind;
  }
}

function statusOf(phase: TaskPhase, status: Partial<TaskStatus> = {}): TaskStatus {
  return { ...taskStatus(ID, phase), ...status };
}

function wantedAttempt(one: Case): WantedAttempt {
  return {
    attempt: attemptIn(one.attempt ?? "assigned"),
    standing: "live",
    isCancelling: false,
    graceMillis: 10_000,
    ...one.wanted,
  };
}

function attemptIn(state: AttemptState): Attempt {
  return {
    id: ID,
    jobId: "0123456789ab" as JobId,
    number: 1,
    nodeId: NODE,
    fence: 7 as Index,
    state,
    cause: "first",
    assignedAt: NOW,
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
  };
}

function drainUntil(deadline: number): DrainIntent {
  const deadlineAt = deadline as UnixMillis;
  return { startedAt: NOW, deadlineAt, message: "", principal: "user/test" };
}
