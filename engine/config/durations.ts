import { err, ok, type Result } from "../lib/result.ts";

const UNIT_MILLIS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const LENGTH_MAX = 40;

/** `90s`, `1h30m`, `500ms`, `2d`, or a number of milliseconds. The error is one sentence. */
export function parseDuration(value: unknown): Result<number, string> {
  if (typeof value === "number") return whole(value);
  if (typeof value !== "string") return err("must be a duration such as 90s, 5m or 1h30m");
  const text = value.trim();
  if (/^\d+$/.test(text) && text !== "0") return err(`needs a unit: ${text.slice(0, 12)}s?`);
  if (text === "0") return ok(0);
  if (text.length > LENGTH_MAX || !WHOLE.test(text)) {
    return err("must be a duration such as 90s, 5m or 1h30m");
  }
  let millis = 0;
  for (const [, amount, unit] of text.matchAll(PART)) {
    millis += Number(amount) * (UNIT_MILLIS[unit ?? ""] ?? 0);
  }
  return whole(millis);
}

function whole(millis: number): Result<number, string> {
  const rounded = Math.round(millis);
  return Number.isSafeInteger(rounded) && rounded >= 0
    ? ok(rounded)
    : err("must be a duration of zero or more");
}
