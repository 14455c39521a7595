import { parseDuration } from "../engine/config/durations.ts";
import { UsageError } from "./usage-error.ts";

/** Milliseconds of a flag like `90s`, `10m` or `1h30m`. */
export function durationFlag(name: string, text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  throw new UsageError(`--${name}: "${text}" is not a time`, "write 500ms, 90s, 10m or 1h30m");
}
