import {
  type ChannelOptions,
  status as Code,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { OutputChunk as WireChunk } from "../../proto/gen/nl/v1/jobs.ts";
import {
  type TaskHostHelloResponse,
  TaskHostClient as WireClient,
  type TaskStatus as WireStatus,
} from "../../proto/gen/nl/v1/task_host.ts";
import { backoffMillis } from "../lib/backoff.ts";
import { type AttemptId, parseAttemptId } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { Logger } from "../platform/logger.ts";
import type { OutputChunk, OutputReader } from "../platform/output-reader.ts";
import type {
  Lease,
  TaskHost,
  TaskHostError,
  TaskHostEvent,
  TaskRequest,
} from "../platform/task-host.ts";
import { type SocketAddress, socketAddress } from "./socket-path.ts";
import { spawnTaskHost } from "./spawn-task-host.ts";
import { decodeChunk, decodeDriver, decodeStatus, encodeRequest } from "./wire.ts";

export type TaskHostClientOptions = {
  /** The host's folder; made by the host when it is not there. */
  readonly directory: string;
  /** Starts a host that serves `directory`, as argv. */
  readonly command: readonly string[];
  readonly logger: Logger;
};

/** The answer waits for a look at every driver, and a Docker daemon may hang. */
const HELLO_MILLIS = 15_000;
const CALL_MILLIS = 10_000;
const REDIAL_BASE_MILLIS = 20;
const REDIAL_MILLIS_MAX = 1000;
/** A host that was started needs a moment until it listens. */
const SPAWN_PAUSE_MILLIS = 3000;

/** A reader waits this long for a host that is away. */
const READ_PATIENCE_MILLIS = 5000;

const CHANNEL: ChannelOptions = {
  // Each attempt is a fresh one: our own backoff decides.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": 1024 * 1024,
};

const NO_METADATA = new Metadata();

type Connection = { readonly wire: WireClient; readonly address: SocketAddress };

/**
 * The agent's end of the wire to its task host. Starts a host when there is none, reconnects for
 * ever, and tells every task anew after each connection.
 */
export class TaskHostClient implements TaskHost, OutputReader {
  readonly #options: TaskHostClientOptions;
  readonly #stopped = new AbortController();
  readonly #awaiting = new Set<(wire: WireClient) => void>();
  #connection: Connection | null = null;
  #onEvent: (event: TaskHostEvent) => void = () => undefined;
  #spawnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TaskHostClientOptions) {
    this.#options = options;
  }

  start(onEvent: (event: TaskHostEvent) => void): void {
    this.#onEvent = (event) => {
      if (!this.#stopped.signal.aborted) onEvent(event);
    };
    void this.#stayConnected();
  }

  startTask(request: TaskRequest, done: Done<void, TaskHostError>): void {
    this.#call(done, (wire, callback) =>
      wire.start(encodeRequest(request), NO_METADATA, deadline(CALL_MILLIS), callback),
    );
  }

  stopTask(stop: Parameters<TaskHost["stopTask"]>[0], done: Done<void, TaskHostError>): void {
    this.#call(done, (wire, callback) =>
      wire.stop(stop, NO_METADATA, deadline(CALL_MILLIS), callback),
    );
  }

  removeTask(attemptId: AttemptId, done: Done<void, TaskHostError>): void {
    this.#call(done, (wire, callback) =>
      wire.remove({ attemptId }, NO_METADATA, deadline(CALL_MILLIS), callback),
    );
  }

  /** Sent once: the next answered heartbeat brings the next one. */
  renewLease(lease: Lease): void {
    // The wire carries whole milliseconds; earlier is the safe side.
    const whole = { ...lease, sentAtBootMillis: Math.floor(lease.sentAtBootMillis) };
    this.#connection?.wire.renewLease(whole, NO_METADATA, deadline(CALL_MILLIS), () => undefined);
  }

  /** Ends the host; with `killTasks` its tasks first, otherwise refused while tasks run. */
  shutdown(
    request: { readonly killTasks: boolean; readonly graceMillis: number },
    done: Done<void, TaskHostError>,
  ): void {
    this.#call(done, (wire, callback) =>
      wire.shutdown(request, NO_METADATA, deadline(request.graceMillis + CALL_MILLIS), callback),
    );
  }

  stop(): void {
    this.#stopped.abort();
    this.#disconnect();
  }

  /** Throws when the host stays away or does not know the attempt; goes on after a short absence. */
  async *read(request: Parameters<OutputReader["read"]>[0]): AsyncGenerator<OutputChunk> {
    const { signal, ...cursor } = request;
    while (!signal.aborted) {
      const wire = await this.#connected(signal);
      if (wire === null) throw new Error("the task host of this node is not connected");
      const failure = yield* this.#readOnce(wire, cursor, signal);
      if (failure === null || signal.aborted) return;
      if (failure.code !== Code.UNAVAILABLE) throw new Error(failure.details);
      // The connection ended under the call: the watch notices as well, and connects anew.
      if (this.#connection?.wire === wire) await Bun.sleep(REDIAL_BASE_MILLIS);
    }
  }

  /** Moves the cursor; null after the last chunk, else why the stream ended. */
  async *#readOnce(
    wire: WireClient,
    cursor: { attemptId: AttemptId; offset: number; tailBytes: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<OutputChunk, ServiceError | null> {
    const { attemptId, ...rest } = cursor;
    const { jobId, number: attempt } = parseAttemptId(attemptId);
    const call = wire.readOutput({ ...rest, jobId, attempt, untilJobOver: false });
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of call as AsyncIterable<WireChunk>) {
        const chunk = decodeChunk(message);
        cursor.offset = chunk.offset + chunk.data.length;
        cursor.tailBytes = 0;
        yield chunk;
      }
      return null;
    } catch (error) {
      return error as ServiceError;
    } finally {
      signal.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  /** The wire, now or within moments: an agent that has just started finds its host soon. */
  #connected(signal: AbortSignal): Promise<WireClient | null> {
    const known = this.#connection?.wire;
    if (known !== undefined) return Promise.resolve(known);
    const { promise, resolve } = Promise.withResolvers<WireClient | null>();
    const give = (wire: WireClient | null): void => {
      clearTimeout(limit);
      signal.removeEventListener("abort", giveUp);
      this.#awaiting.delete(give);
      resolve(wire);
    };
    const giveUp = (): void => give(null);
    const limit = setTimeout(giveUp, READ_PATIENCE_MILLIS);
    signal.addEventListener("abort", giveUp, { once: true });
    this.#awaiting.add(give);
    return promise;
  }

  async #stayConnected(): Promise<void> {
    let attempt = 0;
    while (!this.#stopped.signal.aborted) {
      const connected = await this.#connect();
      if (connected !== null) {
        attempt = 0;
        this.#spawnedAt = Number.NEGATIVE_INFINITY;
        const why = await this.#watch(connected);
        this.#disconnect();
        this.#onEvent({ kind: "disconnected", detail: why });
      }
      const wait = { attempt, baseMillis: REDIAL_BASE_MILLIS, maxMillis: REDIAL_MILLIS_MAX };
      await Bun.sleep(REDIAL_BASE_MILLIS + backoffMillis({ ...wait, fraction: Math.random() }));
      attempt += 1;
    }
  }

  /** Null: nobody answered; a host was started if there was none. */
  async #connect(): Promise<TaskHostHelloResponse | null> {
    const connection = this.#dial();
    if (connection === null) return this.#spawn();
    const answer = await hello(connection.wire);
    if (this.#stopped.signal.aborted || !answer.ok) {
      connection.wire.close();
      connection.address.close();
      if (!answer.ok && answer.error === Code.UNAVAILABLE) this.#spawn();
      return null;
    }
    this.#connection = connection;
    for (const give of [...this.#awaiting]) give(connection.wire);
    return answer.value;
  }

  #dial(): Connection | null {
    try {
      const address = socketAddress(this.#options.directory);
      const wire = new WireClient(address.target, credentials.createInsecure(), CHANNEL);
      return { wire, address };
    } catch {
      // The folder is not there yet: its host makes it.
      return null;
    }
  }

  #spawn(): null {
    const now = performance.now();
    if (this.#stopped.signal.aborted || now - this.#spawnedAt < SPAWN_PAUSE_MILLIS) return null;
    this.#spawnedAt = now;
    const { directory, command, logger } = this.#options;
    const started = spawnTaskHost(directory, command);
    if (started.ok) logger.log("info", "started the task host", { pid: started.value });
    else logger.log("error", "the task host cannot be started", { why: started.error });
    return null;
  }

  /** Resolves with the reason when the connection ends. */
  #watch({ drivers }: TaskHostHelloResponse): Promise<string> {
    const wire = this.#connection?.wire;
    if (wire === undefined) return Promise.resolve("stopped");
    this.#onEvent({ kind: "connected", drivers: drivers.map(decodeDriver) });
    const call = wire.watchTasks({});
    // A channel that is closed lets its calls go on.
    this.#stopped.signal.addEventListener("abort", () => call.cancel(), { once: true });
    return new Promise((resolve) => {
      call.on("data", (status: WireStatus) => {
        if (status.snapshotDone) this.#onEvent({ kind: "listed" });
        else this.#onEvent({ kind: "task", task: decodeStatus(status) });
      });
      call.on("error", (error: ServiceError) => resolve(error.details || error.message));
      call.on("end", () => resolve("the task host has ended"));
    });
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.wire.close();
    connection?.address.close();
  }

  #call(
    done: Done<void, TaskHostError>,
    send: (wire: WireClient, callback: (error: ServiceError | null) => void) => unknown,
  ): void {
    const wire = this.#connection?.wire;
    if (wire === undefined) {
      const detail = "the task host of this node is not connected";
      setImmediate(() => done(err({ kind: "unavailable", detail })));
      return;
    }
    send(wire, (error) => {
      if (error === null) done(ok(undefined));
      else done(err({ kind: kindOf(error.code), detail: error.details }));
    });
  }
}

const deadline = (millis: number): { readonly deadline: number } => ({
  deadline: Date.now() + millis,
});

const kindOf = (code: Code): TaskHostError["kind"] =>
  code === Code.FAILED_PRECONDITION ? "refused" : "unavailable";

function hello(wire: WireClient) {
  return new Promise<
    | { readonly ok: true; readonly value: TaskHostHelloResponse }
    | { readonly ok: false; readonly error: Code }
  >((resolve) => {
    wire.hello(
      { nodeId: "", storeId: "" },
      NO_METADATA,
      deadline(HELLO_MILLIS),
      (error, response) => resolve(error === null ? ok(response) : err(error.code)),
    );
  });
}
