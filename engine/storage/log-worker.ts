import { assert, unreachable } from "../lib/assert.ts";
import { packEntries } from "./entry-pack.ts";
import { SqliteLog } from "./sqlite-log.ts";
import { packBoot, type Reply, type Request, toReply, unpackJobs } from "./worker-protocol.ts";

/** The thread that owns one node's log, so that an fsync never stops the node's event loop. */

declare const self: {
  onmessage: (event: MessageEvent<Request>) => void;
  postMessage(reply: Reply, transfer: readonly ArrayBuffer[]): void;
};

let log: SqliteLog | null = null;
let tending: ReturnType<typeof setTimeout> | null = null;

self.onmessage = ({ data: request }) => {
  orBreak(() => {
    const reply = handle(request);
    // First the answer, then what can wait.
    if (reply !== null) self.postMessage(reply, buffersOf(reply));
    tend();
  });
};

/** What is thrown here is a bug: the other thread stops the node with its sentence. */
function orBreak(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    self.postMessage({ kind: "broken", reason }, []);
  }
}

function handle(request: Request): Reply | null {
  switch (request.kind) {
    case "boot": {
      const { directory, expected } = request;
      const monotonicMillis = (): number => performance.now();
      log = new SqliteLog({ directory, expected, snapshotFile: "must-be-whole", monotonicMillis });
      return toReply(log.boot(), packBoot);
    }
    case "write":
      return toReply(running().write(unpackJobs(request)), () => ({ kind: "done" }));
    case "entries":
      return toReply(running().entries(request.lo, request.hi, request.maxBytes), (found) =>
        found === "compacted"
          ? { kind: "compacted" }
          : { kind: "entries", entries: packEntries(found) },
      );
    case "record":
      return toReply(running().recordSnapshot(request.snapshot), () => ({ kind: "done" }));
    case "truncate":
      running().truncateBefore(request.before);
      return null;
    case "close":
      return toReply(close(), () => ({ kind: "done" }));
    default:
      return unreachable(request);
  }
}

function running(): SqliteLog {
  assert(log !== null, "the log is booted before it is used");
  return log;
}

function close(): ReturnType<SqliteLog["close"]> {
  const result = running().close();
  log = null;
  return result;
}

/** An error in here is kept by the log and answers the next request. */
function tend(): void {
  if (tending !== null) clearTimeout(tending);
  tending = null;
  const next = log?.tend();
  if (next?.ok && next.value !== null) {
    tending = setTimeout(() => orBreak(tend), next.value);
  }
}

function buffersOf(reply: Reply): readonly ArrayBuffer[] {
  if (reply.kind === "entries") return [reply.entries.buffer];
  return reply.kind === "booted" ? [reply.tail.buffer] : [];
}
