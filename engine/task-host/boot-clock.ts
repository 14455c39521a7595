import { readFileSync } from "node:fs";

/**
 * Milliseconds since boot on the clock that counts suspend (CLOCK_BOOTTIME), to 10 ms: agent and
 * task host read the same one, so a lease's times mean the same in both (SEMANTICS, Fencing).
 */
export function bootMillis(): number {
  const [uptime = "0"] = readFileSync("/proc/uptime", "latin1").split(" ");
  return Math.round(Number(uptime) * 1000);
}

/** Changes with every boot: times of another boot mean nothing. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}
