import { readFileSync } from "node:fs";
import type { UnixMillis } from "./lib/ids.ts";
import type { Clock } from "./platform/clock.ts";
import type { Logger, LogLevel, LogValue } from "./platform/logger.ts";
import type { Random } from "./platform/random.ts";
import type { Timers } from "./platform/timers.ts";

/** The real world behind the small ports: the only place that reads clocks and draws chance. */

/** How often the clock looks whether the machine slept. Late by this much is on the safe side. */
const SUSPEND_CHECK_MILLIS = 1_000;
/** /proc/uptime has a resolution of 10 ms: only a larger difference is a suspend. */
const SUSPEND_MILLIS = 50;

/**
 * Milliseconds since boot, counting suspend as leases must. The kernel's file is read once a
 * second; between two readings the process clock, which is finer but stops in suspend, goes on.
 */
export function bunClock(): Clock {
  let offset = bootMillis() - performance.now();
  let checkedAt = performance.now();
  return {
    now: () => Date.now() as UnixMillis,
    monotonicMillis() {
      const now = performance.now();
      if (now - checkedAt > SUSPEND_CHECK_MILLIS) {
        checkedAt = now;
        // In this order: a pause between the two readings must not look like a suspend.
        const booted = bootMillis();
        const slept = booted - (performance.now() + offset);
        if (slept > SUSPEND_MILLIS) offset += slept;
      }
      return now + offset;
    },
  };
}

/** Falls back to the process clock where /proc is not there. */
function bootMillis(): number {
  try {
    return Number.parseFloat(readFileSync("/proc/uptime", "utf8")) * 1000;
  } catch {
    return performance.now();
  }
}

export function bunTimers(): Timers {
  return {
    after(millis, callback) {
      const timer = setTimeout(callback, millis);
      return () => clearTimeout(timer);
    },
    soon(callback) {
      setImmediate(callback);
    },
  };
}

export function bunRandom(): Random {
  const words = new Uint32Array(1);
  return {
    below(n) {
      // Rejection keeps the choice uniform: the last, incomplete stretch of 2^32 is drawn again.
      const limit = 2 ** 32 - (2 ** 32 % n);
      for (;;) {
        crypto.getRandomValues(words);
        const word = words[0] ?? 0;
        if (word < limit) return word % n;
      }
    },
  };
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export type NodeLogger = Logger;

/** JSON lines: control characters cannot survive the encoding, so nothing can forge a line. */
export function bunLogger(options: {
  readonly level: LogLevel;
  readonly write: (line: string) => void;
  readonly fields: Readonly<Record<string, LogValue>>;
}): Logger {
  return {
    log(level, message, fields) {
      if (RANK[level] < RANK[options.level]) return;
      const at = new Date().toISOString();
      options.write(`${JSON.stringify({ at, level, message, ...options.fields, ...fields })}\n`);
    },
  };
}
