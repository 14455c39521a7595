import type { ServiceError } from "@grpc/grpc-js";
import { type Client as Channel, type ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { ClusterService } from "../../proto/gen/nl/v1/cluster.ts";
import { type WatchFrame, WatchService } from "../../proto/gen/nl/v1/watch.ts";
import type { ErrorCode } from "../lib/error-code.ts";
import { callError } from "./call-error.ts";
import type { WatchEvent, Watching, WatchOptions } from "./client.ts";
import type { NodePool } from "./node-pool.ts";
import { pause, roundPause } from "./pause.ts";

/** The server pings once a second: silence for this long is a frozen node or a dead network. */
const SILENCE_MILLIS = 3_500;
const PROBE_MILLIS = 2_000;

/** Trying again, or elsewhere, would be answered the same. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "unauthenticated",
  "forbidden",
  "invalid_argument",
  "ambiguous_id",
  "not_found",
  "expired",
  "refused",
]);

type Ended =
  | { readonly kind: "stopped" }
  | { readonly kind: "asked" }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "refused"; readonly event: WatchEvent };

/** A watch that outlives the nodes it is attached to. */
export class RunningWatch implements Watching {
  readonly #pool: NodePool;
  readonly #options: WatchOptions;
  readonly #onEvent: (event: WatchEvent) => void;
  #address: string;
  #revision = "";
  #isStopped = false;
  /** Ends the present connection or pause. */
  #interrupt = new AbortController();
  #failures = 0;
  #isFirstFrame = true;

  constructor(pool: NodePool, options: WatchOptions, onEvent: (event: WatchEvent) => void) {
    this.#pool = pool;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#address = pool.current;
  }

  stop(): void {
    this.#isStopped = true;
    this.#interrupt.abort();
  }

  reconnect(): void {
    this.#interrupt.abort();
  }

  /** Goes on until it is stopped or refused. */
  async run(): Promise<void> {
    while (!this.#isStopped && !this.#pool.isClosed) {
      this.#interrupt = new AbortController();
      this.#emit({ kind: "connecting", address: this.#address });
      const ended = await this.#attach(this.#interrupt.signal);
      if (this.#isStopped || ended.kind === "stopped") return;
      if (ended.kind === "refused") return this.#emit(ended.event);
      this.#address = this.#pool.after(this.#address);
      if (ended.kind === "lost") await this.#rest(ended.reason);
    }
  }

  async #rest(reason: string): Promise<void> {
    this.#failures += 1;
    const { length } = this.#pool.addresses;
    const isNewRound = this.#failures % length === 0;
    const retryInMillis = isNewRound ? 100 + roundPause(this.#failures / length) : 0;
    this.#emit({ kind: "lost", reason, retryInMillis });
    this.#interrupt = new AbortController();
    if (this.#isStopped) return;
    await pause(retryInMillis, this.#interrupt.signal);
  }

  async #attach(interrupt: AbortSignal): Promise<Ended> {
    const channel = await this.#pool.connected(this.#address);
    if (interrupt.aborted) return { kind: "asked" };
    if (channel === undefined) {
      return { kind: "lost", reason: `${this.#address} cannot be reached` };
    }
    const stream = this.#open(channel);
    return new Promise((resolve) => {
      let silence = setTimeout(() => finish(lost("the node fell silent")), SILENCE_MILLIS);
      const finish = (ended: Ended): void => {
        clearTimeout(silence);
        interrupt.removeEventListener("abort", onInterrupt);
        stream.removeAllListeners("data");
        stream.cancel();
        resolve(ended);
      };
      const onInterrupt = (): void => finish({ kind: "asked" });
      interrupt.addEventListener("abort", onInterrupt);
      stream.on("data", (frame: WatchFrame) => {
        clearTimeout(silence);
        silence = setTimeout(() => finish(lost("the node fell silent")), SILENCE_MILLIS);
        this.#onFrame(frame, channel);
      });
      stream.on("error", (failure: ServiceError) => finish(this.#endOf(failure)));
      stream.on("end", () => finish(lost("the node ended the watch")));
    });
  }

  #open(channel: Channel): ClientReadableStream<WatchFrame> {
    const { jobs, nodes, status, jobId, finishedLimit, events } = this.#options;
    const sinceRevision = this.#revision;
    this.#isFirstFrame = true;
    const { path, requestSerialize, responseDeserialize } = WatchService.watch;
    return channel.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { jobs, nodes, status, jobId, finishedLimit, events: events ?? false, sinceRevision },
      new Metadata(),
    );
  }

  #endOf(failure: ServiceError): Ended {
    const { error, told } = callError(failure, this.#address);
    if (told && FINAL.has(error.code)) {
      return { kind: "refused", event: { kind: "refused", error } };
    }
    return lost(told ? error.message : `the connection to ${this.#address} broke`);
  }

  #onFrame({ kind, revision }: WatchFrame, channel: Channel): void {
    switch (kind?.$case) {
      case "hello": {
        const { nodeId, clusterName, addresses } = kind.value;
        this.#pool.learn(addresses);
        this.#failures = 0;
        const resumed = this.#revision !== "";
        const address = this.#address;
        this.#emit({ kind: "attached", address, nodeId, clusterName, resumed });
        break;
      }
      case "snapshot": {
        const first = this.#isFirstFrame;
        this.#isFirstFrame = false;
        this.#emit({ kind: "snapshot", ...kind.value, first });
        break;
      }
      case "delta":
        this.#emit({ kind: "delta", ...kind.value });
        break;
      case "status":
        this.#emit({ kind: "status", status: kind.value });
        break;
      case "resync":
        // What is known may be wrong from here on: nothing to resume from before the snapshot.
        this.#revision = "";
        this.#isFirstFrame = true;
        break;
      case "ping":
        this.#measure(channel);
        break;
      case undefined:
        break;
    }
    if (revision !== "") this.#revision = revision;
  }

  /** A round trip on the connection that carries the watch. */
  #measure(channel: Channel): void {
    const sentAt = performance.now();
    const { path, requestSerialize, responseDeserialize } = ClusterService.getStatus;
    const deadline = Date.now() + PROBE_MILLIS;
    channel.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      { deadline },
      (failure) => {
        const roundTripMillis = performance.now() - sentAt;
        if (failure === null) this.#emit({ kind: "alive", roundTripMillis });
      },
    );
  }

  #emit(event: WatchEvent): void {
    if (!this.#isStopped && !this.#pool.isClosed) this.#onEvent(event);
  }
}

const lost = (reason: string): Ended => ({ kind: "lost", reason });
