import { COMMAND_BYTES_MAX, type JobSpec, SPEC_BYTES_MAX } from "../lib/job-spec.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { imageFault } from "./image-reference.ts";
import { type SpecError, specError } from "./spec-error.ts";

const NAME_LENGTH_MAX = 128;
const ENV_COUNT_MAX = 1_024;
const LABEL_COUNT_MAX = 64;
const LABEL_LENGTH_MAX = 255;
const EXIT_CODES_MAX = 255;
const MIB = 1024 * 1024;
const HOUR_MILLIS = 3_600_000;

const ENV_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** They steer the loader, the shell, Docker's client or nl itself rather than the program. */
const ENV_RESERVED = /^(?:NL_|LD_|DOCKER_)|^BASH_ENV$|^__proto__$/;
const LABEL_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?$/;
/** Controls, and what a decoder puts where the bytes were not UTF-8. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\uFFFD]/u;

type Rule = (spec: JobSpec) => SpecError | null;

/**
 * What a spec may say, whoever wrote it: asked by the client before it sends and by the server
 * before it admits (SEMANTICS §2, Submit). Nothing is clamped; the first fault is named.
 */
export function validateSpec(spec: JobSpec): Result<JobSpec, SpecError> {
  for (const rule of RULES) {
    const fault = rule(spec);
    if (fault !== null) return err(fault);
  }
  return ok(spec);
}

const RULES: readonly Rule[] = [
  checkName,
  checkCommand,
  checkImage,
  checkDriver,
  checkEnv,
  checkLabels,
  checkResources,
  checkTimes,
  checkRetries,
  checkOnce,
  ({ priority }) => range("priority", priority, { min: 0, max: 100 }),
  ({ outputKeepBytes }) => range("output_keep", outputKeepBytes, { min: 1_024, max: 64 * MIB }),
  checkTotal,
];

function checkName({ name }: JobSpec): SpecError | null {
  if (name.length > NAME_LENGTH_MAX) {
    return specError("name", `is longer than ${NAME_LENGTH_MAX} characters`);
  }
  return UNPRINTABLE.test(name)
    ? specError("name", "contains a control character or invalid UTF-8")
    : null;
}

function checkCommand({ command }: JobSpec): SpecError | null {
  const [program = ""] = command;
  if (program.trim() === "") {
    return specError("command", "is empty", 'command: ["echo", "hello"], or run: echo hello');
  }
  const bytes = command.reduce((sum, word) => sum + byteLength(word) + 1, 0);
  if (bytes > COMMAND_BYTES_MAX) {
    return specError("command", `is longer than ${COMMAND_BYTES_MAX / 1024} KiB`, "use a file");
  }
  return command.every(isPassable) ? null : specError("command", UNPASSABLE);
}

function checkImage({ image }: JobSpec): SpecError | null {
  if (image === "") return null;
  const fault = imageFault(image);
  return fault === null ? null : specError("image", fault, "for example alpine:3.20");
}

function checkDriver({ image, driver }: JobSpec): SpecError | null {
  if (image === "" || driver === "auto" || driver === "docker") return null;
  return specError("driver", `${driver} cannot run an image`, "driver: docker, or no image");
}

function checkEnv({ env }: JobSpec): SpecError | null {
  const keys = Object.keys(env);
  if (keys.length > ENV_COUNT_MAX) return specError("env", `has over ${ENV_COUNT_MAX} variables`);
  for (const key of keys) {
    const field = `env.${key}`;
    if (!ENV_KEY.test(key)) {
      return specError(field, "is not a variable name", "letters, digits and _, no digit first");
    }
    if (ENV_RESERVED.test(key)) return specError(field, "is reserved", "choose another name");
    if (!isPassable(env[key] ?? "")) return specError(field, UNPASSABLE);
  }
  return null;
}

function checkLabels({ labels }: JobSpec): SpecError | null {
  const keys = Object.keys(labels);
  if (keys.length > LABEL_COUNT_MAX) return specError("labels", `are over ${LABEL_COUNT_MAX}`);
  for (const key of keys) {
    const field = `labels.${key}`;
    if (!LABEL_KEY.test(key)) {
      return specError(field, "is not a label name", "1 to 63 of letters, digits, _ . / -");
    }
    const value = labels[key] ?? "";
    if (value.length > LABEL_LENGTH_MAX) {
      return specError(field, `is longer than ${LABEL_LENGTH_MAX} characters`);
    }
    if (UNPRINTABLE.test(value)) {
      return specError(field, "contains a control character or invalid UTF-8");
    }
  }
  return null;
}

function checkResources({ resources }: JobSpec): SpecError | null {
  const { cpuMillis, memoryBytes, pids } = resources;
  if (!isWithin(cpuMillis, { min: 1, max: 1_024_000 })) {
    return specError("resources.cpu", "must be from 1m to 1024 cores", "cpu: 500m");
  }
  if (!isWithin(memoryBytes, { min: 6 * MIB, max: 16 * MIB * MIB })) {
    return specError("resources.memory", "must be from 6Mi to 16Ti", "memory: 256Mi");
  }
  return range("resources.pids", pids, { min: 1, max: 32_768 });
}

function checkTimes(spec: JobSpec): SpecError | null {
  return (
    duration("timeout", spec.timeoutMillis, { min: 100, max: 30 * 24 * HOUR_MILLIS }) ??
    duration("start_timeout", spec.startTimeoutMillis, { min: 100, max: 24 * HOUR_MILLIS }) ??
    duration("kill_grace", spec.killGraceMillis, { min: 0, max: HOUR_MILLIS / 6 })
  );
}

function checkRetries({ retries }: JobSpec): SpecError | null {
  const day = 24 * HOUR_MILLIS;
  return (
    range("retries.count", retries.count, { min: 0, max: 1_000 }) ??
    duration("retries.backoff", retries.backoffMillis, { min: 0, max: day }) ??
    duration("retries.max_backoff", retries.maxBackoffMillis, { min: 0, max: day }) ??
    exitCodes("retries.on_exit", retries.onExit) ??
    exitCodes("retries.not_on_exit", retries.notOnExit) ??
    overlap(retries.onExit, retries.notOnExit)
  );
}

function overlap(onExit: readonly number[], notOnExit: readonly number[]): SpecError | null {
  const both = onExit.find((code) => notOnExit.includes(code));
  return both === undefined
    ? null
    : specError("retries.on_exit", `${both} is in not_on_exit as well`, "keep it in one of them");
}

function checkOnce({ once, retries }: JobSpec): SpecError | null {
  if (!once || retries.count === 0) return null;
  return specError("retries", "a job with once never starts again", "remove retries, or once");
}

function checkTotal(spec: JobSpec): SpecError | null {
  let bytes = byteLength(spec.name) + byteLength(spec.image);
  for (const word of spec.command) bytes += byteLength(word) + 4;
  for (const map of [spec.env, spec.labels]) {
    for (const [key, value] of Object.entries(map))
      bytes += byteLength(key) + byteLength(value) + 8;
  }
  // The fixed fields are some 100 bytes.
  return bytes + 256 > SPEC_BYTES_MAX
    ? specError("", `the spec is larger than ${SPEC_BYTES_MAX / 1024} KiB`, "use a file")
    : null;
}

type Range = { readonly min: number; readonly max: number };

const isWithin = (value: number, { min, max }: Range): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

const range = (field: string, value: number, bounds: Range): SpecError | null =>
  isWithin(value, bounds)
    ? null
    : specError(field, `must be a whole number from ${bounds.min} to ${bounds.max}`);

function duration(field: string, millis: number, bounds: Range): SpecError | null {
  if (isWithin(millis, bounds)) return null;
  const isBareNumber = Number.isSafeInteger(millis) && millis > 0 && millis < bounds.min;
  return specError(
    field,
    `must be from ${spoken(bounds.min)} to ${spoken(bounds.max)}`,
    isBareNumber ? `${millis}s? plain numbers are milliseconds` : "",
  );
}

function exitCodes(field: string, codes: readonly number[]): SpecError | null {
  if (codes.length > EXIT_CODES_MAX) return specError(field, `has over ${EXIT_CODES_MAX} codes`);
  const isFine = codes.every((code) => isWithin(code, { min: 1, max: 255 }));
  return isFine ? null : specError(field, "must be exit codes from 1 to 255");
}

function spoken(millis: number): string {
  if (millis >= HOUR_MILLIS) return `${millis / HOUR_MILLIS}h`;
  return millis >= 60_000 ? `${millis / 60_000}m` : `${millis}ms`;
}

const UNPASSABLE = "contains a NUL byte or broken characters, which no program can be given";

/** An argument or a variable's value ends at its first NUL. */
const isPassable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

const encoder = new TextEncoder();

/** The common case, plain ASCII, is told by its length alone only when encoding; so encode. */
const byteLength = (text: string): number => encoder.encode(text).length;
