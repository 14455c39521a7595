import { type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { SubmitOutcome, SubmitStreamResponse } from "../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { callError, mayPass, outcomeError, unreachable, withDoubt } from "./call-error.ts";
import type { Submission } from "./client.ts";
import type { NodePool } from "./node-pool.ts";
import { pause, roundPause } from "./pause.ts";
import { SUBMIT_STREAM, submissionBytes } from "./submission-bytes.ts";

/** Submissions that this side holds, answered or not: more of them are refused at once. */
const HELD_MAX = 100_000;
/** Of one message: below the 256 KiB that a call may have. */
const MESSAGE_JOBS_MAX = 256;
const MESSAGE_BYTES_MAX = 96 * 1024;
/** Jobs sent and not answered. */
const IN_FLIGHT_MAX = 8_192;
/** A submission is given up when it was not answered for so long, over all nodes. */
const GIVE_UP_MILLIS = 60_000;

type Held = {
  readonly bytes: Uint8Array;
  readonly heldAt: number;
  /** Why it may have happened although no answer says so. */
  doubt: NlError | null;
  readonly answer: (result: Result<SubmitOutcome, NlError>) => void;
};

type Stream = ClientDuplexStream<
  Parameters<typeof SUBMIT_STREAM.requestSerialize>[0],
  SubmitStreamResponse
>;

/**
 * Many submissions over one stream, pipelined. What is handed over within one turn travels in one
 * message. When the stream breaks, whatever was not answered goes over another node: that is safe,
 * because a submission is known by its id.
 */
export class SubmitStream {
  readonly #pool: NodePool;
  #queue: Held[] = [];
  readonly #sent = new Map<number, readonly Held[]>();
  #stream: Stream | null = null;
  #isConnecting = false;
  #isTurnDue = false;
  #isBlocked = false;
  #isClosed = false;
  #inFlight = 0;
  #sequence = 0;
  #failures = 0;

  constructor(pool: NodePool) {
    this.#pool = pool;
  }

  /** Resolves with the job's own outcome, also when that is a refusal; bounded by 60 s. */
  submit(submission: Submission): Promise<Result<SubmitOutcome, NlError>> {
    if (this.#isClosed) return Promise.resolve(err(closed()));
    if (this.#queue.length + this.#inFlight >= HELD_MAX) return Promise.resolve(err(tooMany()));
    const encoded = submissionBytes(submission);
    if (!encoded.ok) return Promise.resolve(encoded);
    const bytes = encoded.value;
    return new Promise((resolve) => {
      this.#queue.push({ bytes, heldAt: performance.now(), doubt: null, answer: resolve });
      this.#wake();
    });
  }

  /** Gives up what is not answered. Await the submissions first. */
  close(): void {
    this.#isClosed = true;
    this.#stream?.cancel();
    this.#stream = null;
    for (const held of [...this.#takeSent(), ...this.#queue]) {
      held.answer(err(withDoubt(held.doubt, closed())));
    }
    this.#queue = [];
  }

  /** Everything that was sent and not answered: it may have happened. */
  #takeSent(): readonly Held[] {
    const sent = [...this.#sent.values()].flat();
    this.#sent.clear();
    this.#inFlight = 0;
    for (const held of sent) held.doubt ??= interrupted();
    return sent;
  }

  #wake(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isClosed || this.#queue.length === 0) return;
    const stream = this.#stream;
    if (stream === null) {
      if (!this.#isConnecting) void this.#connect();
      return;
    }
    let at = 0;
    while (at < this.#queue.length && this.#inFlight < IN_FLIGHT_MAX && !this.#isBlocked) {
      const batch = takeMessage(this.#queue, at);
      at += batch.length;
      this.#sequence += 1;
      this.#sent.set(this.#sequence, batch);
      this.#inFlight += batch.length;
      const jobs = batch.map((held) => held.bytes);
      this.#isBlocked = !stream.write({ sequence: this.#sequence, jobs });
    }
    this.#queue = this.#queue.slice(at);
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true;
    const address = this.#pool.current;
    const channel = await this.#pool.connected(address);
    this.#isConnecting = false;
    if (this.#isClosed) return;
    if (channel === undefined) return this.#onBroken(address, unreachable([address], ""));
    const { path, requestSerialize, responseDeserialize } = SUBMIT_STREAM;
    const stream: Stream = channel.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    );
    this.#stream = stream;
    this.#isBlocked = false;
    stream.on("data", (response: SubmitStreamResponse) => this.#onAnswers(response));
    stream.on("drain", () => {
      this.#isBlocked = false;
      this.#wake();
    });
    const end = (error: NlError): void => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#onBroken(address, error);
    };
    stream.on("error", (failure: ServiceError) => end(callError(failure, address).error));
    stream.on("end", () => end(unreachable([address], "it ended the stream")));
    this.#turn();
  }

  #onAnswers(response: SubmitStreamResponse): void {
    this.#onAnswer(response);
    for (const one of response.more) this.#onAnswer(one);
    this.#failures = 0;
    if (this.#queue.length > 0) this.#wake();
  }

  #onAnswer({ sequence, outcomes }: SubmitStreamResponse): void {
    const batch = this.#sent.get(sequence);
    if (batch === undefined) return;
    this.#sent.delete(sequence);
    this.#inFlight -= batch.length;
    batch.forEach((held, i) => {
      this.#settle(held, outcomes[i]);
    });
  }

  /** Refusals that had no effect, or may have had one, are repeated with the same id. */
  #settle(held: Held, outcome: SubmitOutcome | undefined): void {
    const failure = outcome?.failure;
    const error = failure === undefined ? null : outcomeError(failure);
    const isLate = performance.now() - held.heldAt >= GIVE_UP_MILLIS;
    if (error?.code === "indefinite") held.doubt = error;
    if (outcome === undefined) held.answer(err(interrupted()));
    else if (error === null) held.answer(ok(outcome));
    else if (!isLate && mayPass(error)) this.#queue.push(held);
    else held.answer(ok({ ...outcome, failure: withDoubt(held.doubt, error) }));
  }

  /** Everything that was not answered waits for the next stream. */
  #onBroken(address: string, error: NlError): void {
    this.#pool.moveOn(address);
    const unanswered = this.#takeSent();
    const now = performance.now();
    const isHopeless = !mayPass(error) || this.#neverConnected();
    const all = [...unanswered, ...this.#queue];
    this.#queue = all.filter((held) => !isHopeless && now - held.heldAt < GIVE_UP_MILLIS);
    const kept = new Set(this.#queue);
    for (const held of all) if (!kept.has(held)) held.answer(err(withDoubt(held.doubt, error)));
    this.#failures += 1;
    const round = Math.floor(this.#failures / this.#pool.addresses.length);
    void pause(round === 0 ? 0 : roundPause(round), null).then(() => this.#wake());
  }

  #neverConnected(): boolean {
    return !this.#pool.hasConnected && this.#failures + 1 >= this.#pool.addresses.length;
  }
}

function takeMessage(queue: readonly Held[], from: number): readonly Held[] {
  let to = from;
  let bytes = 0;
  for (let held = queue[to]; held !== undefined; held = queue[to]) {
    const isFull = bytes + held.bytes.length > MESSAGE_BYTES_MAX || to - from >= MESSAGE_JOBS_MAX;
    if (isFull && to > from) break;
    bytes += held.bytes.length;
    to += 1;
  }
  return queue.slice(from, to);
}

const interrupted = (): NlError =>
  nlError(
    "indefinite",
    "the stream ended before the answer: it may still happen",
    "ask by id, or repeat it with the same id: that is safe",
  );

const closed = (): NlError => nlError("unreachable", "this client was closed", "open another one");

const tooMany = (): NlError =>
  nlError(
    "overloaded",
    `${HELD_MAX} submissions wait for an answer`,
    "await some of them first",
    50,
  );
