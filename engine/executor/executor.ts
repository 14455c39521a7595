import type { AttemptId, NodeId } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import { untilNextLook } from "../lib/next-look.ts";
import { SteadyTime } from "../lib/steady-time.ts";
import type { Clock } from "../platform/clock.ts";
import type { ControlLink } from "../platform/control-link.ts";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import type { TaskHost, TaskHostEvent } from "../platform/task-host.ts";
import type { Timers } from "../platform/timers.ts";
import type { Attempt, SpecRecord } from "../state/cluster-state.ts";
import type { AttemptReport, RegisterNode } from "../state/command.ts";
import type { Fact } from "../state/fact.ts";
import type { ClusterFeed } from "./cluster-feed.ts";
import { HeartbeatSender } from "./heartbeat-sender.ts";
import { Lease } from "./lease.ts";
import { Pace } from "./pace.ts";
import { type Action, reconcile } from "./reconcile.ts";
import { Registration } from "./registration.ts";
import type { ExecutorSettings } from "./settings.ts";
import { TaskTable } from "./task-table.ts";
import { wantedAttempts } from "./wanted-attempts.ts";

export type ExecutorOptions = {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** What this node is; its drivers are the task host's to say. */
  readonly registration: Omit<RegisterNode, "nodeId" | "drivers">;
  readonly feed: ClusterFeed;
  /** The decoded spec of a job: `specOf` of the state. */
  readonly specOf: (record: SpecRecord) => JobSpec;
  readonly taskHost: TaskHost;
  readonly controlLink: ControlLink;
  /** Its monotonic clock is the task host's: milliseconds since boot, counting suspend. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** What this machine uses now, for the heartbeats. */
  readonly stats: () => { readonly memoryUsedBytes: number; readonly cpuUsedMillis: number };
  readonly settings: ExecutorSettings;
};

export interface Executor {
  start(): void;
  /** The tasks go on; the next life of this agent adopts them. */
  stop(): void;
  /** True while this node may start attempts. */
  holdsLease(): boolean;
}

export function createExecutor(options: ExecutorOptions): Executor {
  return new RunningExecutor(options);
}

/** Reports in one call: they fit into one entry, each with its longest sentence. */
const REPORTS_PER_CALL_MAX = 100;

/** Makes this machine match its attempts: observe, reconcile, act, report. */
class RunningExecutor implements Executor {
  readonly #options: ExecutorOptions;
  readonly #tasks = new TaskTable();
  readonly #lease: Lease;
  readonly #hostPace: Pace;
  readonly #reportPace: Pace;
  readonly #heartbeats: HeartbeatSender;
  readonly #registration: Registration;
  /** This machine's wall clock is asked once: when it is set later, no deadline moves. */
  readonly #time: SteadyTime;
  #isTurnDue = false;
  #isRunning = false;
  #cancelLook: () => void = () => {};
  #unsubscribe: () => void = () => {};

  constructor(options: ExecutorOptions) {
    const { settings, random } = options;
    this.#options = options;
    const { clock } = options;
    this.#time = new SteadyTime(clock.now(), clock.monotonicMillis());
    this.#lease = new Lease(settings.termAfterMillis);
    this.#hostPace = new Pace(settings, random);
    this.#reportPace = new Pace(settings, random);
    const wake = (): void => this.#wake();
    this.#heartbeats = new HeartbeatSender(options, this.#tasks, this.#lease, wake);
    const beat = (): void => this.#heartbeats.beatNow();
    this.#registration = new Registration(options, this.#tasks, beat);
  }

  start(): void {
    this.#isRunning = true;
    this.#unsubscribe = this.#options.feed.subscribe({
      onFacts: (facts) => this.#onFacts(facts),
      onRestored: () => this.#onRestored(),
    });
    this.#options.taskHost.start((event) => this.#onTaskHost(event));
    this.#heartbeats.beatNow();
    this.#lookAgain();
  }

  stop(): void {
    this.#isRunning = false;
    this.#unsubscribe();
    this.#cancelLook();
    this.#heartbeats.stop();
    this.#registration.stop();
    this.#options.taskHost.stop();
  }

  holdsLease(): boolean {
    const { clock, feed } = this.#options;
    return this.#lease.mayAct(clock.monotonicMillis(), feed.view.appliedIndex);
  }

  /** What is wanted here may be altogether different now. */
  #onRestored(): void {
    this.#heartbeats.nudge();
    this.#registration.nudge();
    this.#registration.consider();
    this.#wake();
  }

  #onFacts(facts: readonly Fact[]): void {
    this.#heartbeats.nudge();
    this.#registration.nudge();
    if (this.#lease.isAhead || facts.some((fact) => this.#concerns(fact))) this.#wake();
  }

  #concerns(fact: Fact): boolean {
    const { nodeId, feed } = this.#options;
    switch (fact.kind) {
      case "attempt-changed":
      case "node-changed":
      case "node-removed":
        return fact.nodeId === nodeId;
      case "job-changed":
        return feed.view.jobs.get(fact.jobId)?.run?.nodeId === nodeId;
      case "stale-ignored":
      case "members-changed":
      case "join-token-changed":
      case "feature-level-raised":
        return false;
    }
  }

  #onTaskHost(event: TaskHostEvent): void {
    if (!this.#isRunning) return;
    this.#tasks.take(event);
    if (event.kind === "connected") {
      this.#heartbeats.renewHostAgain();
      this.#registration.consider();
    }
    if (event.kind === "disconnected") {
      this.#options.logger.log("warn", "the task host is not connected", { why: event.detail });
      this.#hostPace.clear();
    }
    this.#wake();
  }

  #wake(): void {
    if (this.#isTurnDue || !this.#isRunning) return;
    this.#isTurnDue = true;
    this.#options.timers.soon(() => this.#turn());
  }

  #lookAgain(): void {
    this.#registration.consider();
    this.#wake();
    const { clock, timers, settings } = this.#options;
    const millis = untilNextLook(clock.monotonicMillis(), settings.lookMillis);
    this.#cancelLook = timers.after(millis, () => this.#lookAgain());
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (!this.#isRunning) return;
    const { feed, nodeId, clock } = this.#options;
    const mayAct = this.holdsLease();
    if (!this.#lease.hasCaughtUp) return;
    const attempts = wantedAttempts(feed.view, {
      nodeId,
      tasks: this.#tasks.open,
      specOf: this.#options.specOf,
    });
    const actions = reconcile({
      nodeId,
      attempts,
      tasks: this.#tasks.open,
      starting: this.#tasks.starting,
      isListed: this.#tasks.isListed,
      mayAct,
      drain: feed.view.nodes.get(nodeId)?.drain ?? null,
      now: this.#time.at(feed.view.appliedAt, clock.monotonicMillis()),
    });
    const isKnown = (id: AttemptId): boolean => attempts.has(id) || this.#tasks.open.has(id);
    this.#hostPace.retain(isKnown);
    this.#reportPace.retain(isKnown);
    this.#perform(actions);
    this.#removeOutdated();
  }

  #perform(actions: readonly Action[]): void {
    const reports: AttemptReport[] = [];
    for (const action of actions) {
      if (action.kind === "report") this.#collect(action.report, reports);
      else this.#act(action);
    }
    for (let from = 0; from < reports.length; from += REPORTS_PER_CALL_MAX) {
      this.#send(reports.slice(from, from + REPORTS_PER_CALL_MAX));
    }
  }

  #act(action: Exclude<Action, { kind: "report" }>): void {
    switch (action.kind) {
      case "start":
        this.#startTask(action.attempt);
        break;
      case "stop":
        this.#stopTask(action);
        break;
      case "settle":
        this.#tasks.settle(action.attemptId, this.#options.clock.monotonicMillis());
        break;
      case "remove":
        this.#removeTask(action.attemptId);
        break;
    }
  }

  #startTask(attempt: Attempt): void {
    const { feed, taskHost, clusterId, specOf, logger, clock } = this.#options;
    const job = feed.view.jobs.get(attempt.jobId);
    if (job === undefined) return;
    if (!this.#hostPace.takeDue(attempt.id, "start", clock.monotonicMillis())) return;
    this.#tasks.starting.add(attempt.id);
    const request = { attemptId: attempt.id, fence: attempt.fence, clusterId };
    taskHost.startTask({ ...request, spec: specOf(job.spec) }, (started) => {
      if (started.ok) return;
      const { kind, detail } = started.error;
      logger.log("warn", "a task could not be handed over", { attempt: attempt.id, kind, detail });
      // Refused: the host does not have it. Unavailable: only its next list can tell.
      if (kind === "refused") this.#tasks.starting.delete(attempt.id);
    });
    this.#heartbeats.renewHost();
  }

  #stopTask(action: Extract<Action, { kind: "stop" }>): void {
    const { attemptId, reason, graceMillis } = action;
    const { taskHost, logger, clock } = this.#options;
    if (!this.#hostPace.takeDue(attemptId, `stop ${reason}`, clock.monotonicMillis())) return;
    taskHost.stopTask({ attemptId, reason, graceMillis }, (stopped) => {
      if (stopped.ok) return;
      const { kind, detail } = stopped.error;
      logger.log("warn", "a task could not be stopped", { attempt: attemptId, kind, detail });
      this.#hostPace.onFailed(attemptId, clock.monotonicMillis());
    });
  }

  #collect(report: AttemptReport, reports: AttemptReport[]): void {
    const { clock, settings } = this.#options;
    const now = clock.monotonicMillis();
    const patience = report.phase === "starting" ? settings.slowStartMillis : 0;
    const { attemptId, phase } = report;
    if (this.#reportPace.takeDue(attemptId, phase, now, patience)) reports.push(report);
  }

  /** Repeated until the own replica shows it: an answer alone proves nothing here. */
  #send(reports: readonly AttemptReport[]): void {
    const { controlLink, clock, timers, settings } = this.#options;
    controlLink.report(reports, (reported) => {
      if (reported.ok) return;
      const now = clock.monotonicMillis();
      for (const { attemptId } of reports) this.#reportPace.onFailed(attemptId, now);
      timers.after(settings.failedCallMillis, () => this.#wake());
    });
  }

  #removeOutdated(): void {
    if (!this.#tasks.isListed) return;
    const { finishedKept, finishedKeptMillis } = this.#options.settings;
    const since = this.#options.clock.monotonicMillis() - finishedKeptMillis;
    for (const attemptId of [...this.#tasks.outdated(finishedKept, since)]) {
      this.#removeTask(attemptId);
    }
  }

  #removeTask(attemptId: AttemptId): void {
    const { taskHost, logger } = this.#options;
    this.#tasks.remove(attemptId);
    taskHost.removeTask(attemptId, (removed) => {
      if (removed.ok) return;
      const { kind, detail } = removed.error;
      logger.log("warn", "a task could not be removed", { attempt: attemptId, kind, detail });
    });
  }
}
