import type {
  ListLogRequest,
  ListLogResponse,
  LogEntry,
} from "../../../proto/gen/nl/v1/cluster.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { Index } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { StorageError } from "../../platform/log-store.ts";
import type { Entry } from "../../replica/replica.ts";
import { decodeCommand } from "../../state/command-codec.ts";
import { describeCommand } from "../../state/describe-command.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000;

/** The log as this node holds it: also what is not committed yet, and said to be so. */
export async function listLog(
  context: ApiContext,
  _caller: Caller,
  request: ListLogRequest,
): Promise<Result<ListLogResponse, NlError>> {
  const { raft } = context.replica.status();
  const limit = Math.min(request.limit || LIMIT_DEFAULT, LIMIT_MAX);
  const wanted = request.startIndex || raft.lastIndex - limit + 1;
  const lo = Math.max(wanted, raft.firstIndex);
  const hi = Math.min(lo + limit, raft.lastIndex + 1);
  const read = lo < hi ? await entries(context, lo as Index, hi as Index) : ok([]);
  if (!read.ok) return err(unreadable(read.error));
  const kept = read.value === "compacted" ? [] : read.value;
  return ok({
    entries: kept.map((entry) => entryMessage(entry, raft.commit)),
    commitIndex: raft.commit,
    lastIndex: raft.lastIndex,
    firstAvailableIndex: raft.firstIndex,
  });
}

const entries = (
  context: ApiContext,
  lo: Index,
  hi: Index,
): Promise<Result<readonly Entry[] | "compacted", StorageError>> =>
  new Promise((resolve) => context.replica.entries(lo, hi, resolve));

function entryMessage(entry: Entry, commit: Index): LogEntry {
  const described = describe(entry);
  return {
    index: entry.index,
    term: entry.term,
    kind: entry.kind,
    bytes: entry.data.length,
    committed: entry.index <= commit,
    command: described.kind,
    summary: described.line,
  };
}

function describe(entry: Entry): { readonly kind: string; readonly line: string } {
  if (entry.kind === "noop") return { kind: "", line: "a leader began its term" };
  if (entry.kind === "conf") return { kind: "", line: "a change of the members" };
  const command = decodeCommand(entry.data);
  if (command.ok) return describeCommand(command.value);
  return { kind: "", line: "a command that this version does not know" };
}

const unreadable = (error: StorageError): NlError =>
  nlError("unreachable", `the log of this node cannot be read: ${error.kind}`, "ask another node");
