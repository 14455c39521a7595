import {
  JobsService,
  type SubmitOutcome,
  type SubmitStreamResponse,
} from "../../../proto/gen/nl/v1/jobs.ts";
import type { NlError } from "../../lib/error-code.ts";
import type { Result } from "../../lib/result.ts";
import type { Applied } from "../../replica/replica.ts";
import type { SubmittedJob } from "../../state/command.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import {
  type readStreamRequest,
  type Submission,
  writeSubmissions,
} from "../messages/submission.ts";
import type { Unproposed } from "../refusals.ts";
import { callAtLeader } from "./at-leader.ts";
import type { Method } from "./method.ts";
import { LEADER_POLL_MILLIS, LEADER_WAIT_MILLIS } from "./read.ts";
import {
  admitJob,
  ENTRY_JOBS_MAX,
  ENTRY_SPEC_BYTES_MAX,
  JOB_FRAME_BYTES,
  outcomeMessage,
  refusedOutcome,
  submitEntry,
} from "./submit-job.ts";

/** The other end of a submit stream. */
export interface SubmitChannel {
  /** Stops reading requests: nothing is refused, the client waits. */
  pause(): void;
  resume(): void;
  /** False: the client is behind with reading answers; `SubmitPipe.drained` says when it is not. */
  send(response: SubmitStreamResponse): boolean;
  /** Everything has been answered. */
  end(): void;
}

/** Jobs taken from a stream and not yet in an entry; above it the stream is paused. */
const QUEUED_JOBS_MAX = 4_096;
const QUEUED_BYTES_MAX = 2 * 1024 * 1024;
/** Entries of one stream on their way. While they are, the next ones grow. */
const ENTRIES_IN_FLIGHT_MAX = 4;
/** After this an answer is `indefinite` or `no_leader`, whatever the cluster does. */
const ENTRY_MILLIS_MAX = 30_000;

/** One request of the stream, until each of its jobs has an outcome. */
type Asked = {
  readonly sequence: number;
  readonly outcomes: SubmitOutcome[];
  missing: number;
};

type StreamRequest = ReturnType<typeof readStreamRequest>;

type Slot = {
  readonly asked: Asked;
  readonly position: number;
  readonly job: SubmittedJob;
};

/**
 * Pipelined submission. What arrives within one turn becomes one log entry, and the answers of one
 * turn become one frame. When the log has no room the stream is paused, never refused.
 */
export class SubmitPipe {
  readonly #context: ApiContext;
  readonly #caller: Caller;
  readonly #submitJobs: Method;
  readonly #channel: SubmitChannel;
  readonly #onOver: () => void;
  readonly #answers: SubmitStreamResponse[] = [];
  #queue: Slot[] = [];
  #queuedBytes = 0;
  #entriesInFlight = 0;
  #unanswered = 0;
  #isTurnDue = false;
  #isPaused = false;
  #isBlocked = false;
  #isEnding = false;
  #isStopped = false;

  constructor(options: {
    readonly context: ApiContext;
    readonly caller: Caller;
    readonly submitJobs: Method;
    readonly channel: SubmitChannel;
    /** Called once, when the stream is over from either side. */
    readonly onOver: () => void;
  }) {
    this.#context = options.context;
    this.#caller = options.caller;
    this.#submitJobs = options.submitJobs;
    this.#channel = options.channel;
    this.#onOver = options.onOver;
  }

  receive(request: StreamRequest): void {
    const missing = request.jobs.length;
    const asked = { sequence: request.sequence, outcomes: new Array(missing), missing };
    this.#unanswered += 1;
    for (let position = 0; position < missing; position++) {
      this.#enqueue(asked, position, request.jobs[position] as Submission);
    }
    if (missing === 0) this.#answer(asked);
    this.#wake();
    this.#throttle();
  }

  /** No more requests; the channel ends once everything is answered. */
  end(): void {
    this.#isEnding = true;
    this.#wake();
  }

  /** The client reads answers again. */
  drained(): void {
    this.#isBlocked = false;
    this.#throttle();
  }

  /** The client is gone: what is in the log stays there, nothing else is begun. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#queue = [];
    this.#onOver();
  }

  #enqueue(asked: Asked, position: number, request: Submission): void {
    const admitted = admitJob(request);
    if (!admitted.ok) {
      this.#settle(asked, position, refusedOutcome(request.jobId, admitted.error));
      return;
    }
    this.#queue.push({ asked, position, job: admitted.value });
    this.#queuedBytes += bytesOf(admitted.value);
  }

  #wake(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#context.platform.timers.soon(() => {
      this.#isTurnDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isStopped) return;
    while (this.#queue.length > 0 && this.#entriesInFlight < ENTRIES_IN_FLIGHT_MAX) {
      this.#begin(this.#takeEntry());
    }
    this.#flushAnswers();
    this.#throttle();
    if (this.#isEnding && this.#unanswered === 0) {
      this.stop();
      this.#channel.end();
    }
  }

  #takeEntry(): readonly Slot[] {
    let count = 0;
    let bytes = 0;
    for (const slot of this.#queue) {
      const size = bytesOf(slot.job);
      if (count > 0 && (bytes + size > ENTRY_SPEC_BYTES_MAX || count >= ENTRY_JOBS_MAX)) break;
      bytes += size;
      count += 1;
    }
    const entry = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#queuedBytes -= bytes;
    return entry;
  }

  #begin(entry: readonly Slot[]): void {
    this.#entriesInFlight += 1;
    submitWhereverLeaderIs(this.#context, this.#caller, { entry, method: this.#submitJobs }).then(
      (outcomes) => {
        this.#entriesInFlight -= 1;
        entry.forEach((slot, i) => {
          this.#settle(slot.asked, slot.position, outcomes[i] as SubmitOutcome);
        });
        this.#wake();
      },
      (bug: unknown) => this.#context.onBug(bug),
    );
  }

  #settle(asked: Asked, position: number, outcome: SubmitOutcome): void {
    asked.outcomes[position] = outcome;
    asked.missing -= 1;
    if (asked.missing === 0) this.#answer(asked);
  }

  #answer(asked: Asked): void {
    this.#unanswered -= 1;
    this.#answers.push({ sequence: asked.sequence, outcomes: asked.outcomes, more: [] });
  }

  #flushAnswers(): void {
    const [first, ...more] = this.#answers;
    if (first === undefined) return;
    this.#answers.length = 0;
    if (!this.#channel.send({ ...first, more })) this.#isBlocked = true;
  }

  #throttle(): void {
    const isFull = this.#queue.length >= QUEUED_JOBS_MAX || this.#queuedBytes >= QUEUED_BYTES_MAX;
    const isLow =
      this.#queue.length < QUEUED_JOBS_MAX / 2 && this.#queuedBytes < QUEUED_BYTES_MAX / 2;
    if (!this.#isPaused && (isFull || this.#isBlocked)) {
      this.#isPaused = true;
      this.#channel.pause();
    } else if (this.#isPaused && isLow && !this.#isBlocked) {
      this.#isPaused = false;
      this.#channel.resume();
    }
  }
}

const bytesOf = (job: SubmittedJob): number => job.spec.length + JOB_FRAME_BYTES;

/** Outcomes in the order of the entry, here or from the leader. */
async function submitWhereverLeaderIs(
  context: ApiContext,
  stream: Caller,
  submission: { readonly entry: readonly Slot[]; readonly method: Method },
): Promise<readonly SubmitOutcome[]> {
  const { entry, method } = submission;
  const { clock } = context.platform;
  const caller = { ...stream, deadlineMillis: clock.monotonicMillis() + ENTRY_MILLIS_MAX };
  const giveUpAt = clock.monotonicMillis() + LEADER_WAIT_MILLIS;
  for (;;) {
    const { version } = context.leadership;
    if (!context.leadership.leads) {
      const request = writeSubmissions(entry.map((slot) => slot.job));
      return outcomesOf(entry, await callAtLeader(context, method, { caller, request }));
    }
    const applied = await submitEntry(context, caller, entry);
    if (!hadNoLeader(applied) || clock.monotonicMillis() >= giveUpAt) {
      return entry.map((slot, i) => outcomeMessage(slot.job, applied, i));
    }
    await context.leadership.changed(version, LEADER_POLL_MILLIS);
  }
}

const hadNoLeader = (applied: Result<Applied, Unproposed>): boolean =>
  !applied.ok &&
  (applied.error.kind === "not-leader" ||
    applied.error.kind === "transferring" ||
    applied.error.kind === "dropped");

function outcomesOf(
  entry: readonly Slot[],
  answer: Result<Uint8Array, NlError>,
): readonly SubmitOutcome[] {
  if (!answer.ok) return entry.map((slot) => refusedOutcome(slot.job.jobId, answer.error));
  return JobsService.submitJobs.responseDeserialize(Buffer.from(answer.value)).outcomes;
}
