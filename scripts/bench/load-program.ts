import { createInterface } from "node:readline";
import type { Client } from "@grpc/grpc-js";
import { JobsService, SubmitStreamResponse } from "../../proto/gen/nl/v1/jobs.ts";
import type { LoadRequest, LoadResult } from "./load.ts";
import {
  batchOf,
  checkMessage,
  createPayload,
  freshId,
  type Payload,
  streamRequest,
} from "./payload.ts";
import { asIs, openClient } from "./raw-client.ts";
import { percentile } from "./statistics.ts";

/** The load generator: a process of its own, one request and one result per line. */

/** Null: it worked. */
type Done = (failure: string | null) => void;
/** One operation of a closed loop: begins a call, and says when it is answered. */
type Operation = (done: Done) => void;
type Opened = { readonly operation: Operation; readonly jobs: number; readonly close: () => void };

/** After the window, what is in flight may still be answered. */
const DRAIN_MILLIS_MAX = 8_000;
/** So that a system that refuses is not asked a million times. */
const PAUSE_AFTER_FAILURE_MILLIS = 1;
const CONNECT_MILLIS_MAX = 5_000;

const clients = new Map<string, Client>();

export async function runLoadProgram(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const result = await perform(JSON.parse(line) as LoadRequest);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  process.exit(0);
}

async function perform(request: LoadRequest): Promise<LoadResult> {
  const client = await clientOf(request);
  const opened = openOperation(client, request);
  const meter = new Meter(request);
  await closedLoop(opened.operation, request.load.inFlight, meter);
  opened.close();
  return meter.result(opened.jobs);
}

/** One channel per target for the whole process, connected before the clock starts. */
async function clientOf({ target }: LoadRequest): Promise<Client> {
  const known = clients.get(target.address);
  if (known !== undefined) return known;
  const client = openClient(target);
  clients.set(target.address, client);
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + CONNECT_MILLIS_MAX, (error) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
  });
  return client;
}

function openOperation(client: Client, request: LoadRequest): Opened {
  const payload = createPayload({ distinct: request.distinct });
  const { load } = request;
  switch (load.kind) {
    case "unary":
      return { operation: unary(client, load.path, payload), jobs: 1, close: () => {} };
    case "batch":
      return { operation: batch(client, load.jobs, payload), jobs: load.jobs, close: () => {} };
    case "stream":
      return stream(client, payload);
  }
}

function unary(client: Client, path: string, payload: Payload): Operation {
  return (done) => {
    client.makeUnaryRequest(path, asIs, asIs, payload.entry(freshId()), (error, answer) => {
      if (error !== null || answer === undefined) return done(error?.message ?? "no answer");
      checkMessage(answer);
      done(null);
    });
  };
}

function batch(client: Client, jobs: number, payload: Payload): Operation {
  const { path, responseDeserialize } = JobsService.submitJobs;
  return (done) => {
    const request = batchOf(Array.from({ length: jobs }, () => payload.entry(freshId())));
    client.makeUnaryRequest(path, asIs, responseDeserialize, request, (error, answer) => {
      if (error !== null || answer === undefined) return done(error?.message ?? "no answer");
      const refused = answer.outcomes.find(({ failure }) => failure !== undefined);
      done(refused?.failure?.message ?? null);
    });
  };
}

function stream(client: Client, payload: Payload): Opened {
  const waiting = new Map<number, Done>();
  let sequence = 0;
  const { path } = JobsService.submitStream;
  const calls = client.makeBidiStreamRequest(path, asIs, (bytes: Buffer) =>
    SubmitStreamResponse.decode(bytes),
  );
  const settle = (answer: SubmitStreamResponse): void => {
    const done = waiting.get(answer.sequence);
    waiting.delete(answer.sequence);
    done?.(answer.outcomes[0]?.failure?.message ?? null);
  };
  calls.on("data", (answer: SubmitStreamResponse) => {
    settle(answer);
    for (const further of answer.more) settle(further);
  });
  calls.on("error", (error: Error) => {
    for (const done of waiting.values()) done(error.message);
    waiting.clear();
  });
  const operation: Operation = (done) => {
    sequence += 1;
    waiting.set(sequence, done);
    calls.write(streamRequest(sequence, payload.entry(freshId())));
  };
  return { operation, jobs: 1, close: () => calls.end() };
}

/** Keeps `inFlight` operations going until the meter's window closes, then waits for the rest. */
function closedLoop(operation: Operation, inFlight: number, meter: Meter): Promise<void> {
  return new Promise((resolve) => {
    let running = inFlight;
    const giveUp = setTimeout(resolve, meter.remainingMillis() + DRAIN_MILLIS_MAX);
    const leave = (): void => {
      running -= 1;
      if (running > 0) return;
      clearTimeout(giveUp);
      resolve();
    };
    const next = (): void => {
      const from = performance.now();
      operation((failure) => {
        meter.record(from, failure);
        if (meter.isOver()) leave();
        else if (failure === null) next();
        else setTimeout(next, PAUSE_AFTER_FAILURE_MILLIS);
      });
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}

/** Counts what is answered inside the window that follows the warm-up. */
class Meter {
  readonly #from: number;
  readonly #until: number;
  readonly #latencies: number[] = [];
  #failed = 0;
  #firstFailure = "";

  constructor({ warmUpMillis, measureMillis }: LoadRequest) {
    this.#from = performance.now() + warmUpMillis;
    this.#until = this.#from + measureMillis;
  }

  record(startedAt: number, failure: string | null): void {
    const now = performance.now();
    if (failure !== null) {
      this.#failed += 1;
      if (this.#firstFailure === "") this.#firstFailure = failure;
    } else if (now >= this.#from && now < this.#until) {
      this.#latencies.push(now - startedAt);
    }
  }

  isOver(): boolean {
    return performance.now() >= this.#until;
  }

  remainingMillis(): number {
    return this.#until - performance.now();
  }

  result(jobsPerOperation: number): LoadResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const seconds = (this.#until - this.#from) / 1000;
    return {
      perSecond: (sorted.length * jobsPerOperation) / seconds,
      p50Millis: percentile(sorted, 0.5),
      p99Millis: percentile(sorted, 0.99),
      failed: this.#failed,
      firstFailure: this.#firstFailure,
    };
  }
}
