import { assert, unreachable } from "../lib/assert.ts";
import type { Index } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import type { Boot, Entry, PersistJob, SnapshotMeta } from "../raft/types.ts";
import { unpackEntries } from "./entry-pack.ts";
import type { ExpectedOwner } from "./open-log.ts";
import { packJobs, type Reply, type Request, unpackBoot } from "./worker-protocol.ts";

export type WorkerLogStoreOptions = {
  readonly directory: string;
  readonly expected: ExpectedOwner | null;
};

/** What waits for its turn. Writes that wait together become one message and one commit. */
type Task =
  | { readonly kind: "write"; readonly job: PersistJob; readonly done: Done<void, StorageError> }
  | { readonly kind: "request"; readonly request: Request; readonly answer: Answer | null };

/** Called once with the reply, or with the failure that ended the worker. */
type Answer = (reply: Reply) => void;

/** One is being written, one waits in the worker: it is never without work, and batches grow. */
const REQUESTS_IN_WORKER_MAX = 1;
/** Bytes of entries in one transaction; a single larger job still goes alone. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The log of a node in a thread of its own. Strictly first-in first-out. The number of waiting
 * writes is bounded by the core, which has one job outstanding for each `take()` and limits its
 * uncommitted bytes.
 */
export class WorkerLogStore implements LogStore {
  readonly #options: WorkerLogStoreOptions;
  #worker: Worker | null = null;
  #waiting: Task[] = [];
  #isPumpDue = false;
  readonly #answers: Answer[] = [];
  #failure: StorageError | null = null;

  constructor(options: WorkerLogStoreOptions) {
    this.#options = options;
  }

  boot(done: Done<Boot, StorageError>): void {
    assert(this.#worker === null, "a log is booted once");
    this.#worker = this.#startWorker();
    const { directory, expected } = this.#options;
    this.#request({ kind: "boot", directory, expected }, (reply) => {
      if (reply.kind === "booted") {
        done(ok(unpackBoot(reply)));
        return;
      }
      this.#end(failureOf(reply));
      done(err(failureOf(reply)));
    });
  }

  write(job: PersistJob, done: Done<void, StorageError>): void {
    this.#enqueue({ kind: "write", job, done });
  }

  entries(
    lo: Index,
    hi: Index,
    maxBytes: number,
    done: Done<readonly Entry[] | "compacted", StorageError>,
  ): void {
    this.#request({ kind: "entries", lo, hi, maxBytes }, (reply) => {
      if (reply.kind === "compacted") done(ok("compacted"));
      else if (reply.kind === "entries") done(ok(unpackEntries(reply.entries)));
      else done(err(failureOf(reply)));
    });
  }

  recordSnapshot(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    this.#request({ kind: "record", snapshot }, (reply) => finish(reply, done));
  }

  truncateBefore(index: Index): void {
    this.#request({ kind: "truncate", before: index }, null);
  }

  close(done: Done<void, StorageError>): void {
    this.#request({ kind: "close" }, (reply) => {
      this.#end({ kind: "io", detail: "the log is closed" });
      finish(reply, done);
    });
  }

  #startWorker(): Worker {
    const worker = new Worker(workerSource());
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#onReply(data);
    worker.onerror = (event) => {
      this.#end(failed(event.message));
    };
    worker.addEventListener("close", () => {
      this.#end(failed("it ended by itself"));
    });
    return worker;
  }

  #request(request: Request, answer: Answer | null): void {
    this.#enqueue({ kind: "request", request, answer });
  }

  /** Sent when the caller's turn is over: what it wrote in that turn goes together. */
  #enqueue(task: Task): void {
    this.#waiting.push(task);
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    this.#isPumpDue = false;
    if (this.#failure !== null) {
      this.#refuseWaiting(this.#failure);
      return;
    }
    while (this.#waiting.length > 0 && this.#answers.length < REQUESTS_IN_WORKER_MAX) {
      const count = countTogether(this.#waiting);
      this.#send(this.#waiting.slice(0, count));
      this.#waiting = this.#waiting.slice(count);
    }
  }

  #send(tasks: readonly Task[]): void {
    const first = tasks[0];
    assert(first !== undefined, "something is sent");
    if (first.kind === "request") {
      if (first.answer !== null) this.#answers.push(first.answer);
      this.#post(first.request, []);
      return;
    }
    const writes = tasks.filter((task) => task.kind === "write");
    this.#answers.push((reply) => {
      for (const { done } of writes) finish(reply, done);
    });
    const request = packJobs(writes.map(({ job }) => job));
    this.#post(request, [request.entries.buffer]);
  }

  #post(request: Request, transfer: ArrayBuffer[]): void {
    assert(this.#worker !== null, "a log is used after its boot");
    this.#worker.postMessage(request, transfer);
  }

  #onReply(reply: Reply): void {
    if (reply.kind === "broken") {
      this.#end(failed(`${reply.reason} (a bug: please report it)`));
      return;
    }
    const answer = this.#answers.shift();
    assert(answer !== undefined, "every reply has its request");
    answer(reply);
    this.#pump();
  }

  /** Nothing is answered well any more. After an error the node stops (SEMANTICS S17). */
  #end(error: StorageError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#worker?.terminate();
    for (const answer of this.#answers.splice(0)) answer({ kind: "failed", error });
    this.#refuseWaiting(error);
  }

  #refuseWaiting(error: StorageError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const task of waiting) {
      if (task.kind === "write") task.done(err(error));
      else task.answer?.({ kind: "failed", error });
    }
  }
}

/**
 * In a compiled binary all modules live in one file, and the worker under its path from the root of
 * the entry points (see README: `scripts/build.ts` must list it as an entry point).
 */
function workerSource(): string | URL {
  const isCompiled = import.meta.url.startsWith("file:///$bunfs/");
  return isCompiled
    ? "/$bunfs/root/engine/storage/log-worker.ts"
    : new URL("./log-worker.ts", import.meta.url);
}

/** How many of the first tasks go in one message: a run of writes, or one other request. */
function countTogether(tasks: readonly Task[]): number {
  let count = 0;
  let bytes = 0;
  for (const task of tasks) {
    if (task.kind !== "write") break;
    for (const entry of task.job.entries) bytes += entry.data.length;
    if (count > 0 && bytes > BATCH_BYTES_MAX) break;
    count += 1;
  }
  return Math.max(1, count);
}

const failed = (why: string): StorageError => ({
  kind: "io",
  detail: `the thread of the log failed: ${why}`,
});

function finish(reply: Reply, done: Done<void, StorageError>): void {
  if (reply.kind === "done") done(ok(undefined));
  else done(err(failureOf(reply)));
}

function failureOf(reply: Reply): StorageError {
  if (reply.kind === "failed") return reply.error;
  return unreachable(reply as never);
}
