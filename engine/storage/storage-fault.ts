import { SQLiteError } from "bun:sqlite";
import { err, ok, type Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";

/** Carries a `StorageError` up to the `attempt` around it. Never leaves this folder. */
export class StorageFault extends Error {
  readonly error: StorageError;

  constructor(kind: StorageError["kind"], detail: string) {
    super(detail);
    this.error = { kind, detail };
  }
}

/**
 * Runs `work` and turns what the disk and SQLite throw into a value. Anything else that is thrown
 * is a bug and passes through. `doing` begins the sentence the operator reads.
 */
export function attempt<T>(doing: string, work: () => T): Result<T, StorageError> {
  try {
    return ok(work());
  } catch (thrown) {
    return err(toStorageError(doing, thrown));
  }
}

/** Says more exactly what failed than the `attempt` around it, which passes it on. */
export function naming<T>(doing: string, work: () => T): T {
  const result = attempt(doing, work);
  if (result.ok) return result.value;
  throw new StorageFault(result.error.kind, result.error.detail);
}

export function toStorageError(doing: string, thrown: unknown): StorageError {
  if (thrown instanceof StorageFault) return thrown.error;
  if (thrown instanceof SQLiteError) {
    const kind = kindOfSqlite(thrown.code ?? "");
    return { kind, detail: sentence(doing, thrown, ADVICE[kind]) };
  }
  if (isSystemError(thrown)) {
    const kind = FULL.includes(thrown.code) ? "full" : "io";
    const isForbidden = FORBIDDEN.includes(thrown.code);
    const advice = isForbidden ? "start it as the user who owns the directory" : ADVICE[kind];
    return { kind, detail: sentence(doing, thrown, advice) };
  }
  throw thrown;
}

const FULL = ["ENOSPC", "EDQUOT"];
const FORBIDDEN = ["EACCES", "EPERM"];

/** What is safe to do, for the end of the sentence. */
const ADVICE = {
  io: "look at the disk and the kernel's log, then start the node again; nothing acked is lost",
  full: "make room on its disk, then start the node again; nothing acked is lost",
  corrupt: "keep the directory; what can be saved says: nl cluster repair --dir DIR",
  locked: "stop the other process that uses it first",
} as const;

export const isMissing = (thrown: unknown): boolean =>
  isSystemError(thrown) && thrown.code === "ENOENT";

/**
 * SQLite reports a rotten schema page as SQLITE_ERROR ("no such table") and a doubled key as
 * SQLITE_CONSTRAINT. Our statements are fixed, so both can only mean that the file changed.
 */
const CORRUPT = ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_ERROR"];
const CORRUPT_OR_BUG = ["SQLITE_CONSTRAINT", "SQLITE_MISMATCH"];

function kindOfSqlite(code: string): keyof typeof ADVICE {
  const is = (names: readonly string[]): boolean => names.some((name) => code.startsWith(name));
  if (is(["SQLITE_FULL"])) return "full";
  if (is(["SQLITE_BUSY", "SQLITE_LOCKED"])) return "locked";
  if (is(CORRUPT) || is(CORRUPT_OR_BUG)) return "corrupt";
  return "io";
}

type SystemError = Error & { readonly code: string; readonly syscall: string };

const isSystemError = (thrown: unknown): thrown is SystemError =>
  thrown instanceof Error && "code" in thrown && "syscall" in thrown;

function sentence(
  doing: string,
  thrown: Error & { readonly code?: string | undefined },
  advice: string,
): string {
  return `${doing} failed: ${thrown.message} (${thrown.code ?? "no code"}); ${advice}`;
}
