import type { Client as Channel, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import {
  type CallError,
  callError,
  hadNoEffect,
  mayPass,
  unreachable,
  withDoubt,
} from "./call-error.ts";
import type { NodePool } from "./node-pool.ts";
import { pause, roundPause } from "./pause.ts";

/** SEMANTICS S2: ids are remembered longer than any client repeats them. */
const RETRY_MILLIS_MAX = 60_000;
/** An overloaded cluster is not helped by patience: the caller is told soon. */
const OVERLOADED_MILLIS_MAX = 2_000;
/** A read is worth less patience than a write that must not be lost. */
const READ_LEADERLESS_MILLIS_MAX = 10_000;
/** Longer than a commit may take (5 s), shorter than anybody's patience with a frozen node. */
const TRY_MILLIS_MAX = 7_000;
const HEARD_MILLIS = 2_500;
/** Says who leads, in the trailer of a call that needed a hop. */
const LEADER_TRAILER = "nl-leader";

export type Rpc<Req, Res> = {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Res;
};

export type Traits = {
  /** `read`, `write` (idempotent by its id) or `once`: never repeated when it may have happened. */
  readonly kind: "read" | "write" | "once";
  /** Of one try; 0 = the usual. */
  readonly tryMillis: number;
  readonly signal: AbortSignal | null;
};

export const READ: Traits = { kind: "read", tryMillis: 0, signal: null };
export const WRITE: Traits = { kind: "write", tryMillis: 0, signal: null };
export const ONCE: Traits = { kind: "once", tryMillis: 0, signal: null };

/** One call with all its tries. `doubt`: a write whose outcome one of them left open. */
type Effort = {
  readonly traits: Traits;
  startedAt: number;
  tries: number;
  doubt: NlError | null;
};

type Answer<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & CallError);

/** Calls with one answer, repeated on other nodes for as long as that is safe and useful. */
export class UnaryCalls {
  readonly #pool: NodePool;
  readonly #timeoutMillis: number;

  constructor(pool: NodePool, requestTimeoutMillis: number) {
    this.#pool = pool;
    this.#timeoutMillis = Math.min(requestTimeoutMillis, RETRY_MILLIS_MAX);
  }

  async call<Req, Res>(
    rpc: Rpc<Req, Res>,
    request: Req,
    traits: Traits,
  ): Promise<Result<Res, NlError>> {
    const bytes = encode(rpc, request);
    if (!bytes.ok) return bytes;
    const effort: Effort = { traits, startedAt: performance.now(), tries: 0, doubt: null };
    for (;;) {
      const address = this.#pool.current;
      const triedAt = performance.now();
      const left = this.#timeoutMillis - (triedAt - effort.startedAt);
      const answer = await this.#tryOnce(rpc, bytes.value, { traits, address, left });
      if (answer.ok) return answer;
      count(effort, answer.error, performance.now() - triedAt);
      const final = await this.#prepareNext(answer, address, effort);
      if (final !== null) return err(withDoubt(effort.doubt, final));
    }
  }

  /** Null when the call is to be made again, after whatever pause is due. */
  async #prepareNext(failure: CallError, address: string, effort: Effort): Promise<NlError | null> {
    const { traits, tries, startedAt } = effort;
    if (traits.signal?.aborted === true) return stopped();
    if (!this.#mayRepeat(failure, traits, performance.now() - startedAt)) {
      return this.#explained(failure);
    }
    if (failure.error.code !== "overloaded") this.#pool.moveOn(address);
    if (this.#neverConnected(tries)) return this.#explained(failure);
    await this.#breathe(failure.error, tries, traits.signal);
    return null;
  }

  async #tryOnce<Res>(
    rpc: Rpc<never, Res>,
    request: Buffer,
    how: { readonly traits: Traits; readonly address: string; readonly left: number },
  ): Promise<Answer<Res>> {
    const connected = this.#pool.connected(how.address);
    const channel = connected instanceof Promise ? await connected : connected;
    if (channel === undefined) {
      return { ok: false, error: unreachable([how.address], ""), told: false };
    }
    const { tryMillis } = how.traits;
    const millis = tryMillis || Math.min(TRY_MILLIS_MAX, Math.max(how.left, 1));
    return this.#send(channel, rpc, { ...how, request, millis });
  }

  #send<Res>(
    channel: Channel,
    rpc: Rpc<never, Res>,
    how: {
      readonly request: Buffer;
      readonly traits: Traits;
      readonly address: string;
      readonly millis: number;
    },
  ): Promise<Answer<Res>> {
    return new Promise((resolve) => {
      const call = channel.makeUnaryRequest(
        rpc.path,
        asIs,
        rpc.responseDeserialize,
        how.request,
        { deadline: Date.now() + how.millis },
        (failure: ServiceError | null, response?: Res) => {
          if (failure === null && response !== undefined) resolve(ok(response));
          else if (failure !== null) resolve({ ok: false, ...callError(failure, how.address) });
        },
      );
      this.#learnLeader(call);
      const { signal } = how.traits;
      if (signal !== null) {
        const cancel = (): void => call.cancel();
        signal.addEventListener("abort", cancel, { once: true });
        call.on("status", () => signal.removeEventListener("abort", cancel));
      }
    });
  }

  #learnLeader(call: ClientUnaryCall): void {
    call.on("status", (status) => {
      const [leader] = status.metadata.get(LEADER_TRAILER);
      if (typeof leader === "string") this.#pool.prefer(leader);
    });
  }

  #mayRepeat({ error }: CallError, traits: Traits, spentMillis: number): boolean {
    if (this.#pool.isClosed || spentMillis >= this.#timeoutMillis) return false;
    if (error.code === "overloaded" && spentMillis >= OVERLOADED_MILLIS_MAX) return false;
    if (traits.kind === "once") return hadNoEffect(error);
    const isLeaderless = error.code === "no_leader" && spentMillis >= READ_LEADERLESS_MILLIS_MAX;
    if (traits.kind === "read" && isLeaderless) return false;
    return mayPass(error);
  }

  /** Each address was tried and nobody was ever there: waiting would not help. */
  #neverConnected(tries: number): boolean {
    return !this.#pool.hasConnected && tries >= this.#pool.addresses.length;
  }

  async #explained({ error, told }: CallError): Promise<NlError> {
    if (told || error.code !== "unreachable" || this.#pool.isClosed) return error;
    return this.#pool.diagnose();
  }

  /** The other addresses are tried at once; after each round there is a pause that grows. */
  #breathe(error: NlError, tries: number, signal: AbortSignal | null): Promise<void> {
    if (error.code === "overloaded") {
      const advised = Math.max(error.retryAfterMillis, 1);
      return pause(advised * (0.5 + Math.random()), signal);
    }
    const { length } = this.#pool.addresses;
    const isNewRound = tries % length === 0;
    return isNewRound ? pause(roundPause(tries / length), signal) : Promise.resolve();
  }
}

function count(effort: Effort, error: NlError, lastedMillis: number): void {
  effort.tries += 1;
  if (error.code === "indefinite" && effort.traits.kind === "write") effort.doubt = error;
  // A call that may last was heard and waited on: patience begins anew.
  const mayLast = effort.traits.tryMillis > TRY_MILLIS_MAX;
  if (mayLast && lastedMillis > HEARD_MILLIS) effort.startedAt = performance.now();
}

const stopped = (): NlError => nlError("timed_out", "the wait was given up", "ask again");

const asIs = (bytes: Buffer): Buffer => bytes;

/** Once for all tries. The codec throws at a number that no message can carry. */
function encode<Req, Res>(rpc: Rpc<Req, Res>, request: Req): Result<Buffer, NlError> {
  try {
    return ok(rpc.requestSerialize(request));
  } catch (error) {
    return err(nlError("invalid_argument", `the request cannot be sent: ${String(error)}`));
  }
}
