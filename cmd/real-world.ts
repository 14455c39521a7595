import { fstatSync, writeSync } from "node:fs";
import { nlError } from "../engine/lib/error-code.ts";
import { NlFailure } from "./nl-failure.ts";
import { EXIT_INTERRUPTED } from "./report-error.ts";
import type { World } from "./world.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

const COLUMNS_DEFAULT = 80;

/**
 * The terminal and the environment of this process. What costs a millisecond is looked up when it
 * is asked for: `process.stdout` alone takes longer to make than Bun takes to start.
 */
export function realWorld(): World {
  return {
    out: (text) => write(STDOUT, text),
    err: (text) => write(STDERR, text),
    env: process.env,
    get outIsTerminal() {
      return isTerminal(STDOUT);
    },
    get errIsTerminal() {
      return isTerminal(STDERR);
    },
    get inIsTerminal() {
      return isTerminal(STDIN);
    },
    get columns() {
      return isTerminal(STDOUT) ? (process.stdout.columns ?? COLUMNS_DEFAULT) : COLUMNS_DEFAULT;
    },
    get errColumns() {
      return isTerminal(STDERR) ? (process.stderr.columns ?? COLUMNS_DEFAULT) : COLUMNS_DEFAULT;
    },
    get useColor() {
      return isTerminal(STDOUT) && (process.env["NO_COLOR"] ?? "") === "";
    },
    readInput,
    inputLines,
    now: () => Date.now(),
    get interrupted() {
      return interruption();
    },
    atForcedEnd(work) {
      forcedEnd.add(work);
      return () => forcedEnd.delete(work);
    },
  };
}

/** Synchronous, so that nothing is lost when the process exits; a closed pipe ends it quietly. */
function write(fd: number, text: string | Uint8Array): void {
  let rest = typeof text === "string" ? Buffer.from(text) : Buffer.from(text);
  while (rest.length > 0) {
    const written = tryWrite(fd, rest);
    rest = rest.subarray(written);
  }
}

function tryWrite(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE") process.exit(0);
    if (code !== "EAGAIN") throw error;
    Bun.sleepSync(1); // A non-blocking terminal that is full: wait for its reader.
    return 0;
  }
}

function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(fd);
  } catch {
    return false; // A closed descriptor is no terminal.
  }
}

async function* inputLines(): AsyncGenerator<string> {
  const { createInterface } = await import("node:readline");
  yield* createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
}

async function readInput(maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) {
      throw new NlFailure(
        nlError(
          "too_large",
          `standard input is larger than ${maxBytes} bytes`,
          "send less at once",
        ),
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

let controller: AbortController | null = null;
const forcedEnd = new Set<() => void>();

/** Installed on first use, so that commands that do not care are ended by the signal itself. */
function interruption(): AbortSignal {
  if (controller !== null) return controller.signal;
  const created = new AbortController();
  controller = created;
  const onSignal = () => {
    if (!created.signal.aborted) return created.abort();
    for (const work of forcedEnd) work();
    process.exit(EXIT_INTERRUPTED);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return created.signal;
}
