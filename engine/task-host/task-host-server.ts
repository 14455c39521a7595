import {
  status as Code,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { OutputChunk, ReadOutputRequest } from "../../proto/gen/nl/v1/jobs.ts";
import {
  type ShutdownRequest,
  type TaskHostServer as TaskHostHandlers,
  TaskHostService,
  type WatchTasksRequest,
  type TaskStatus as WireStatus,
} from "../../proto/gen/nl/v1/task_host.ts";
import { type AttemptId, attemptId, type JobId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { DriverStatus, TaskHostError } from "../platform/task-host.ts";
import type { SocketAddress } from "./socket-path.ts";
import type { Tasks } from "./tasks.ts";
import {
  decodeRequest,
  encodeChunk,
  encodeDriver,
  encodeStatus,
  isStopReason,
  SNAPSHOT_DONE,
} from "./wire.ts";

/** Statuses that an agent may leave unread; beyond that it is cut off and lists anew. */
const UNREAD_STATUSES_MAX = 10_000;

/** Before the answer that announces the end is lost with it. */
const GOODBYE_MILLIS = 50;

type Options = {
  readonly version: string;
  readonly nodeId: string;
  readonly tasks: Tasks;
  readonly drivers: () => Promise<readonly DriverStatus[]>;
  /** The last agent has gone, or the first one has come. */
  readonly onAgents: (count: number) => void;
  readonly onShutdown: () => void;
};

/** The task host as its agent sees it, over a socket that only its own user may open. */
export class TaskHostServer {
  readonly #options: Options;
  readonly #server = new Server({ "grpc.max_receive_message_length": 1024 * 1024 });
  readonly #watchers = new Set<ServerWritableStream<WatchTasksRequest, WireStatus>>();

  constructor(options: Options) {
    this.#options = options;
    this.#server.addService(TaskHostService, this.#handlers());
  }

  listen(address: SocketAddress): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      this.#server.bindAsync(address.target, credentials, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #handlers(): TaskHostHandlers {
    const { tasks, version, nodeId, drivers } = this.#options;
    return {
      hello: unary(async ({ nodeId: asked }) => {
        if (asked !== "" && asked !== nodeId) return err(refused(`this is the host of ${nodeId}`));
        const found = await drivers();
        return ok({ version, pid: process.pid, drivers: found.map(encodeDriver) });
      }),
      start: unary(async (wire) => {
        const request = decodeRequest(wire);
        if (request === null) return err(refused("there is no command to run"));
        return answer(await tasks.start(request));
      }),
      stop: unary(async ({ attemptId: id, graceMillis, reason }) => {
        if (!isStopReason(reason)) return err(refused(`unknown reason to stop: ${reason}`));
        return answer(tasks.stop({ attemptId: id as AttemptId, graceMillis, reason }));
      }),
      remove: unary(async ({ attemptId: id }) => answer(await tasks.remove(id as AttemptId))),
      renewLease: unary(async (lease) => {
        tasks.renew(lease);
        return ok({});
      }),
      shutdown: unary((request) => this.#shutdown(request)),
      watchTasks: (call) => this.#watch(call),
      // Nothing that goes wrong for a reader may end the host, and with it the tasks.
      readOutput: (call) => {
        this.#read(call).catch((error: unknown) => {
          call.emit("error", { code: Code.INTERNAL, details: String(error) });
        });
      },
    };
  }

  async #shutdown({
    killTasks,
    graceMillis,
  }: ShutdownRequest): Promise<Result<object, TaskHostError>> {
    const { tasks, onShutdown } = this.#options;
    if (!killTasks && tasks.liveCount > 0) return err(refused(`${tasks.liveCount} tasks run`));
    await tasks.stopAll(graceMillis);
    setTimeout(onShutdown, GOODBYE_MILLIS);
    return ok({});
  }

  #watch(call: ServerWritableStream<WatchTasksRequest, WireStatus>): void {
    const { tasks, onAgents } = this.#options;
    let unread = 0;
    const send = (status: WireStatus): void => {
      unread += 1;
      call.write(status, () => {
        unread -= 1;
      });
      if (unread > UNREAD_STATUSES_MAX) call.destroy();
    };
    for (const status of tasks.list()) call.write(encodeStatus(status));
    send(SNAPSHOT_DONE);
    const cancel = tasks.listen((status) => send(encodeStatus(status)));
    this.#watchers.add(call);
    onAgents(this.#watchers.size);
    const leave = (): void => {
      cancel();
      if (this.#watchers.delete(call)) onAgents(this.#watchers.size);
    };
    for (const event of ["cancelled", "close", "error", "finish"]) call.once(event, leave);
  }

  async #read(call: ServerWritableStream<ReadOutputRequest, OutputChunk>): Promise<void> {
    const { jobId, attempt, offset, tailBytes, follow } = call.request;
    const output = this.#options.tasks.output(attemptId(jobId as JobId, attempt));
    if (output === null) {
      const details = "this node has no output of that attempt";
      call.emit("error", { code: Code.NOT_FOUND, details });
      return;
    }
    const gone = new AbortController();
    for (const event of ["cancelled", "close", "error"]) call.once(event, () => gone.abort());
    const request = { offset, tailBytes, follow, signal: gone.signal };
    for await (const chunk of output.read(request)) {
      if (!call.write(encodeChunk(chunk, attempt))) await drained(call, gone.signal);
    }
    call.end();
  }
}

function unary<Request, Response>(
  handle: (request: Request) => Promise<Result<Response, TaskHostError>>,
): handleUnaryCall<Request, Response> {
  // gRPC waits for ever for a handler that throws.
  return (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>) => {
    handle(call.request).then(
      (result) => {
        if (result.ok) done(null, result.value);
        else done({ code: codeOf(result.error), details: result.error.detail });
      },
      (error: unknown) => done({ code: Code.INTERNAL, details: String(error) }),
    );
  };
}

const codeOf = (error: TaskHostError): Code =>
  error.kind === "refused" ? Code.FAILED_PRECONDITION : Code.UNAVAILABLE;

const answer = (result: Result<void, TaskHostError>): Result<object, TaskHostError> =>
  result.ok ? ok({}) : result;

const refused = (detail: string): TaskHostError => ({ kind: "refused", detail });

function drained(stream: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    stream.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
