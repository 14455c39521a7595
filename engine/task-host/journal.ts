import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { assert, unreachable } from "../lib/assert.ts";
import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { TaskRequest, TaskStatus } from "../platform/task-host.ts";

/** What the host must know after a crash about each attempt it was told to run. */
export type JournalRecord =
  /** Durable before anything of the task exists: this attempt id is used up. */
  | { readonly kind: "intent"; readonly request: TaskRequest; readonly at: UnixMillis }
  | StartedRecord
  /** Durable before it is reported. */
  | { readonly kind: "exit"; readonly status: TaskStatus }
  | { readonly kind: "removed"; readonly attemptId: AttemptId };

type StartedRecord = {
  readonly kind: "started";
  readonly attemptId: AttemptId;
  readonly driver: TaskStatus["driver"];
  readonly at: UnixMillis;
};

/** One attempt as the journal tells it. What is finished needs no spec any more. */
export type JournalledTask =
  | {
      readonly kind: "unfinished";
      readonly request: TaskRequest;
      readonly acceptedAt: UnixMillis;
      /** Null: at most about to start. */
      readonly started: Omit<StartedRecord, "kind" | "attemptId"> | null;
    }
  | { readonly kind: "finished"; readonly status: TaskStatus };

export type JournalError = { readonly kind: "damaged"; readonly detail: string };

/** The file is rewritten without what was removed when it has grown beyond this. */
const COMPACT_BYTES = 4 * 1024 * 1024;

type Waiting = { readonly line: string; readonly done: (written: boolean) => void };

/**
 * The host's memory: one file of checked lines. Records that wait are written together and synced
 * once. After a failed write the whole file is written anew before anything is acknowledged.
 */
export class Journal {
  readonly tasks: Map<AttemptId, JournalledTask>;
  readonly #path: string;
  #file: FileHandle | null = null;
  #bytes = 0;
  #mustRewrite = true;
  #waiting: Waiting[] = [];
  #isWriting = false;

  private constructor(path: string, tasks: Map<AttemptId, JournalledTask>) {
    this.#path = path;
    this.tasks = tasks;
  }

  /**
   * Reads what a host before this one wrote. A torn last line is what a crash leaves: dropped. A
   * last line that is there to its end, and yet is not what was written, has rotted: it may be the
   * only trace of an attempt that began.
   */
  static async open(path: string): Promise<Result<Journal, JournalError>> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const tasks = new Map<AttemptId, JournalledTask>();
    const lines = text.split("\n");
    for (const [number, line] of lines.entries()) {
      // Without its end it may be whole: then only the newline has rotted.
      const isEnd = number === lines.length - 1;
      const record = parseLine(line) ?? (isEnd ? parseLine(line.slice(0, -1)) : null);
      if (record !== null) note(tasks, record);
      else if (!isTorn(lines, number)) return err(damagedAt(path, number + 1));
    }
    return ok(new Journal(path, tasks));
  }

  /** Resolves true when the record is on disk; false when the disk refused: try again. */
  append(record: JournalRecord): Promise<boolean> {
    note(this.tasks, record);
    return new Promise((done) => {
      this.#waiting.push({ line: formatLine(record), done });
      if (!this.#isWriting) this.#isWriting = this.#startWriting();
    });
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
    this.#mustRewrite = true;
  }

  #startWriting(): true {
    void this.#writeAll();
    return true;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const written = await this.#write(batch).catch(() => false);
      if (!written) this.#mustRewrite = true;
      for (const { done } of batch) done(written);
    }
    this.#isWriting = false;
  }

  async #write(batch: readonly Waiting[]): Promise<boolean> {
    if (this.#mustRewrite || this.#bytes > COMPACT_BYTES) return this.#rewrite();
    assert(this.#file !== null, "the journal is open unless it is written anew");
    const text = batch.map(({ line }) => line).join("");
    await this.#file.appendFile(text);
    await this.#file.datasync();
    this.#bytes += Buffer.byteLength(text);
    return true;
  }

  /** What waits is in `tasks` already, so the new file contains it. */
  async #rewrite(): Promise<boolean> {
    await this.#file?.close();
    this.#file = null;
    const text = [...this.tasks.values()].flatMap(recordsOf).map(formatLine).join("");
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
    await syncFolder(dirname(this.#path));
    this.#file = await open(this.#path, "a", 0o600);
    // Compacting again is worth it only after as much has been added.
    this.#bytes = Math.max(0, Buffer.byteLength(text) - COMPACT_BYTES);
    this.#mustRewrite = false;
    return true;
  }
}

function note(tasks: Map<AttemptId, JournalledTask>, record: JournalRecord): void {
  switch (record.kind) {
    case "intent": {
      const { request, at } = record;
      const task = { kind: "unfinished", request, acceptedAt: at, started: null } as const;
      tasks.set(request.attemptId, task);
      break;
    }
    case "started": {
      const task = tasks.get(record.attemptId);
      const { driver, at } = record;
      if (task?.kind !== "unfinished") break;
      tasks.set(record.attemptId, { ...task, started: { driver, at } });
      break;
    }
    case "exit":
      tasks.set(record.status.attemptId, { kind: "finished", status: record.status });
      break;
    case "removed":
      tasks.delete(record.attemptId);
      break;
    default:
      unreachable(record);
  }
}

function recordsOf(task: JournalledTask): readonly JournalRecord[] {
  if (task.kind === "finished") return [{ kind: "exit", status: task.status }];
  const { request, acceptedAt, started } = task;
  const intent = { kind: "intent", request, at: acceptedAt } as const;
  if (started === null) return [intent];
  return [intent, { kind: "started", attemptId: request.attemptId, ...started }];
}

/** `<crc32 of the rest in hex> <JSON>` and a newline. */
function formatLine(record: JournalRecord): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

function parseLine(line: string): JournalRecord | null {
  const json = line.slice(9);
  if (line.slice(0, 8) !== checksum(json) || json === "") return null;
  // The checksum says that this process's own code wrote it.
  return JSON.parse(json) as JournalRecord;
}

/** A crash leaves a line without its end, or with zeros where a page did not reach the disk. */
function isTorn(lines: readonly string[], number: number): boolean {
  const isEnd = number === lines.length - 1;
  return isEnd || (number === lines.length - 2 && lines[number]?.includes("\0\0") === true);
}

const checksum = (json: string): string => Bun.hash.crc32(json).toString(16).padStart(8, "0");

function damagedAt(path: string, line: number): JournalError {
  const detail =
    `${path} is damaged at line ${line}: this machine no longer knows which attempts it has run. ` +
    "Remove this node from the cluster and join it anew, with an empty data directory.";
  return { kind: "damaged", detail };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
