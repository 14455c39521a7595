import { err, ok, type Result } from "../lib/result.ts";

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  K: 1_000,
  M: 1_000_000,
  G: 1_000_000_000,
  T: 1_000_000_000_000,
  Ki: 1_024,
  Mi: 1_024 ** 2,
  Gi: 1_024 ** 3,
  Ti: 1_024 ** 4,
};

const SIZE = /^(\d{1,15}(?:\.\d{1,6})?)\s?(Ki|Mi|Gi|Ti|K|M|G|T|)B?$/;
const MILLIS = /^(\d{1,9})m$/;
const CORES = /^\d{1,6}(?:\.\d{1,3})?$/;

/** `256Mi`, `1.5Gi`, `500M`, or a number of bytes. The error is one sentence. */
export function parseSize(value: unknown): Result<number, string> {
  if (typeof value === "number") return wholeBytes(value);
  if (typeof value !== "string") return err("must be a size such as 256Mi or 1Gi");
  const [, amount, unit] = SIZE.exec(value.trim()) ?? [];
  if (amount === undefined || unit === undefined) {
    return err("must be a size such as 256Mi or 1Gi");
  }
  return wholeBytes(Number(amount) * (UNIT_BYTES[unit] ?? 0));
}

/** Cores as `0.5`, `2` or `500m`; returns thousandths of a core. The error is one sentence. */
export function parseCpu(value: unknown): Result<number, string> {
  const cores = coresOf(value);
  if (cores === null) return err("must be a number of cores such as 0.5, 2 or 500m");
  const millis = Math.round(cores * 1_000);
  return Number.isSafeInteger(millis) && Math.abs(millis - cores * 1_000) < 1e-6
    ? ok(millis)
    : err("must be whole thousandths of a core, such as 0.125 or 125m");
}

function coresOf(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "string") return null;
  const text = value.trim();
  const [, millis] = MILLIS.exec(text) ?? [];
  if (millis !== undefined) return Number(millis) / 1_000;
  return CORES.test(text) ? Number(text) : null;
}

function wholeBytes(bytes: number): Result<number, string> {
  const rounded = Math.round(bytes);
  return Number.isSafeInteger(rounded) && rounded >= 0
    ? ok(rounded)
    : err("must be a size of zero bytes or more");
}
