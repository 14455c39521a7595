import { type Index, type JobId, mintJobId } from "../../../engine/lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../../engine/lib/job-spec.ts";
import type { CommandBody, Outcome } from "../../../engine/state/command.ts";
import { encodeSpec } from "../../../engine/state/spec-codec.ts";
import { PropertyViolated } from "../checker.ts";
import type { SimCluster } from "../cluster.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { SimNode } from "./sim-node.ts";
import { scriptCommand } from "./sim-task.ts";

export type JobMix = {
  readonly count: number;
  /** Of the early jobs, the share that runs for seconds. */
  readonly longShare: number;
  /** Of the long ones, the share that outlives any outage. */
  readonly veryLongShare: number;
  /** The share that ignores TERM. */
  readonly stubbornShare: number;
  readonly gracesMillis: readonly number[];
};

const CALL_MILLIS_MAX = 1_200;
const LONG_JOBS_UNTIL_MILLIS = 4_000;
const CALL_LOSS = 0.03;

/** Clients that submit, cancel and read, at any node, and repeat what was not answered. */
export class Workload {
  readonly #cluster: SimCluster<SimNode>;
  readonly #random: SimRandom;
  readonly #acked: JobId[] = [];
  #isOver = false;
  #unanswered = 0;

  constructor(cluster: SimCluster<SimNode>, random: SimRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Every job whose submission was acknowledged. */
  get acked(): readonly JobId[] {
    return this.#acked;
  }

  /** Submissions and cancels that were not answered yet. */
  get unanswered(): number {
    return this.#unanswered;
  }

  start(options: { readonly jobs: JobMix; readonly withinMillis: number }): void {
    for (let i = 0; i < options.jobs.count; i++) {
      this.#cluster.time.after(this.#random.between(200, options.withinMillis), () =>
        this.#submit(options.jobs),
      );
    }
    this.#readLater();
  }

  stop(): void {
    this.#isOver = true;
  }

  #submit(mix: JobMix): void {
    const jobId = mintJobId((n) => this.#random.below(n));
    const spec = encodeSpec(
      randomSpec(this.#random, this.#cluster.time.now < LONG_JOBS_UNTIL_MILLIS, mix),
    );
    this.#until({ kind: "submit-jobs", jobs: [{ jobId, spec }] }, (outcome, index) => {
      if (outcome.kind === "refused") {
        throw new PropertyViolated("submissions", `${jobId} is refused: ${outcome.refusal.kind}`);
      }
      this.#acked.push(jobId);
      this.#cluster.observer.acked(index, { kind: "submitted", jobId });
      if (this.#random.chance(0.12)) this.#cancelLater(jobId);
    });
  }

  #cancelLater(jobId: JobId): void {
    this.#cluster.time.after(this.#random.between(1, 1_000), () => {
      this.#until({ kind: "cancel-job", jobId }, (outcome, index) => {
        if (outcome.kind === "ok")
          this.#cluster.observer.acked(index, { kind: "cancelled", jobId });
      });
    });
  }

  /** Repeats the same command, at whoever may lead, until it is answered. */
  #until(body: CommandBody, done: (outcome: Outcome, index: Index) => void): void {
    this.#unanswered += 1;
    let isAnswered = false;
    const attempt = (): void => {
      if (isAnswered) return;
      this.#cluster.time.after(CALL_MILLIS_MAX, attempt);
      this.#propose(body, (outcome, index) => {
        if (isAnswered) return;
        isAnswered = true;
        this.#unanswered -= 1;
        done(outcome, index);
      });
    };
    attempt();
  }

  #propose(body: CommandBody, done: (outcome: Outcome, index: Index) => void): void {
    const random = this.#random;
    const peer = random.chance(0.7)
      ? (this.#cluster.leader() ?? random.pick(this.#cluster.peers))
      : random.pick(this.#cluster.peers);
    this.#travel(() => {
      this.#cluster.within(peer, (node) => {
        node.replica.propose({ principal: "user/sim:admin", body }, (applied) => {
          const outcome = applied.ok ? applied.value.outcomes[0] : undefined;
          if (!applied.ok) this.#travel(() => this.#retry(body, done));
          else if (outcome !== undefined) this.#travel(() => done(outcome, applied.value.index));
        });
      });
    });
  }

  /** Refused, or overwritten, or unknown: the same command again, a little later. */
  #retry(body: CommandBody, done: (outcome: Outcome, index: Index) => void): void {
    this.#cluster.time.after(this.#random.between(10, 150), () => this.#propose(body, done));
  }

  #readLater(): void {
    this.#cluster.time.after(this.#random.between(100, 400), () => {
      if (this.#isOver) return;
      this.#read();
      this.#readLater();
    });
  }

  #read(): void {
    const { observer } = this.#cluster;
    const [ackedIndex, ackedJob] = [observer.ackedIndex, this.#acked.at(-1)];
    this.#cluster.within(this.#random.pick(this.#cluster.peers), (node) => {
      node.replica.readBarrier((read) => {
        if (!read.ok) return;
        observer.read(ackedIndex, read.value);
        if (ackedJob === undefined || node.replica.view.jobs.has(ackedJob)) return;
        throw new PropertyViolated("fresh reads", `acked job ${ackedJob} is not seen`);
      });
    });
  }

  #travel(arrive: () => void): void {
    if (this.#random.chance(CALL_LOSS)) return;
    this.#cluster.time.after(this.#random.between(0.2, 5), arrive);
  }
}

/** Long jobs outlive the outage of their node; they come early, so that the run can end in time. */
function randomSpec(random: SimRandom, mayBeLong: boolean, mix: JobMix): JobSpec {
  const isLong = mayBeLong && random.chance(mix.longShare);
  const isVeryLong = isLong && random.chance(mix.veryLongShare);
  const longMillis = isVeryLong ? 7_000 : random.pick([1_200, 2_500, 4_000]);
  const runMillis = isLong ? longMillis : random.between(5, 400);
  const script = {
    runMillis: Math.floor(runMillis),
    exitCode: isLong || random.chance(0.8) ? 0 : 1,
    obeysTerm: !random.chance(mix.stubbornShare),
  };
  return {
    ...SPEC_DEFAULTS,
    name: "sim",
    command: scriptCommand(script),
    image: "",
    driver: "plain",
    env: {},
    labels: {},
    timeoutMillis: random.chance(0.05) ? 300 : 60_000,
    killGraceMillis: random.pick(mix.gracesMillis),
    retries: {
      count: random.below(3),
      backoffMillis: 50,
      maxBackoffMillis: 200,
      onExit: [],
      notOnExit: [],
    },
    onLost: random.pick(["rerun", "rerun", "rerun", "rerun", "rerun", "rerun", "fail", "wait"]),
    once: random.chance(0.05),
    priority: random.below(101),
  };
}
