import type { Index } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { Boot, Entry, HardState, PersistJob, SnapshotMeta } from "../raft/types.ts";
import { packEntries, unpackEntries } from "./entry-pack.ts";
import type { ExpectedOwner } from "./open-log.ts";

/** What the threads say to each other. Every request but "truncate" gets one reply, in order. */
export type Request =
  | {
      readonly kind: "boot";
      readonly directory: string;
      readonly expected: ExpectedOwner | null;
    }
  | {
      readonly kind: "write";
      readonly jobs: readonly PackedJob[];
      /** The entries of all jobs, one after the other. */
      readonly entries: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: "entries";
      readonly lo: Index;
      readonly hi: Index;
      readonly maxBytes: number;
    }
  | { readonly kind: "record"; readonly snapshot: SnapshotMeta }
  | { readonly kind: "truncate"; readonly before: Index }
  | { readonly kind: "close" };

type PackedJob = {
  readonly seq: number;
  readonly hardState: HardState | null;
  readonly snapshot: SnapshotMeta | null;
  readonly fsync: boolean;
  readonly entryCount: number;
};

/** `tail` is packed beside it. */
type PackedBoot = Omit<Boot, "tail">;

export type Reply =
  | { readonly kind: "failed"; readonly error: StorageError }
  /** A bug in the worker. Answers no request: it is the last thing that is heard of it. */
  | { readonly kind: "broken"; readonly reason: string }
  | {
      readonly kind: "booted";
      readonly boot: PackedBoot;
      readonly tail: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "entries"; readonly entries: Uint8Array<ArrayBuffer> }
  | { readonly kind: "compacted" }
  | { readonly kind: "done" };

export function packJobs(jobs: readonly PersistJob[]): Extract<Request, { kind: "write" }> {
  const merged = mergeJobs(jobs);
  const packed = merged.map(({ entries, ...head }) => ({ ...head, entryCount: entries.length }));
  const entries = merged.length === 1 ? entriesOf(merged[0]) : merged.flatMap(entriesOf);
  return { kind: "write", jobs: packed, entries: packEntries(entries) };
}

export function unpackJobs(request: Extract<Request, { kind: "write" }>): PersistJob[] {
  const entries = unpackEntries(request.entries);
  let from = 0;
  return request.jobs.map(({ entryCount, ...job }) => {
    const to = from + entryCount;
    const own = request.jobs.length === 1 ? entries : entries.slice(from, to);
    from = to;
    return { ...job, entries: own };
  });
}

export function packBoot(boot: Boot): Extract<Reply, { kind: "booted" }> {
  const { tail, ...rest } = boot;
  return { kind: "booted", boot: rest, tail: packEntries(tail) };
}

export function unpackBoot(reply: Extract<Reply, { kind: "booted" }>): Boot {
  return { ...reply.boot, tail: unpackEntries(reply.tail) };
}

export function toReply<T>(result: Result<T, StorageError>, pack: (value: T) => Reply): Reply {
  return result.ok ? pack(result.value) : { kind: "failed", error: result.error };
}

const entriesOf = (job: PersistJob | undefined): PersistJob["entries"] => job?.entries ?? [];

type OpenJob = { -readonly [Key in keyof PersistJob]: PersistJob[Key] } & { entries: Entry[] };

/**
 * Jobs that only append become one: they share a transaction anyway, and one record crosses the
 * border instead of many.
 */
function mergeJobs(jobs: readonly PersistJob[]): readonly PersistJob[] {
  const merged: OpenJob[] = [];
  for (const job of jobs) {
    const previous = merged.at(-1);
    if (previous === undefined || !continuesJob(previous, job)) {
      merged.push({ ...job, entries: [...job.entries] });
      continue;
    }
    for (const entry of job.entries) previous.entries.push(entry);
    previous.seq = job.seq;
    previous.hardState = job.hardState ?? previous.hardState;
    previous.fsync ||= job.fsync;
  }
  return merged;
}

function continuesJob(previous: PersistJob, job: PersistJob): boolean {
  const first = job.entries[0];
  const last = previous.entries.at(-1);
  if (job.snapshot !== null) return false;
  return first === undefined || (last !== undefined && first.index === last.index + 1);
}
