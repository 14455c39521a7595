import { z } from "zod";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { nearest } from "../lib/nearest.ts";
import { err, type Result } from "../lib/result.ts";
import { parseDuration } from "./durations.ts";
import { parseCpu, parseSize } from "./sizes.ts";
import { type SpecError, specError } from "./spec-error.ts";
import { validateSpec } from "./spec-rules.ts";

/**
 * The shape of a job spec as people write it: YAML, JSON and flags alike. Importing zod costs 58 ms:
 * load this module only when there is a document to read. What the values may be stands in
 * `spec-rules.ts`, which the server asks as well.
 */

/** A value with units: `parse` says what it means, or in one sentence why it means nothing. */
const parsed = (parse: (value: unknown) => Result<number, string>) =>
  z.unknown().transform((value, context) => {
    const result = parse(value);
    if (result.ok) return result.value;
    context.addIssue({ code: "custom", message: result.error });
    return z.NEVER;
  });

const duration = (millis: number) => parsed(parseDuration).default(millis);
const texts = z.record(z.string(), z.string()).default({});
const exitCodes = z.array(z.number()).default([]);
const defaults = SPEC_DEFAULTS;

const resources = z.strictObject({
  cpu: parsed(parseCpu).default(defaults.resources.cpuMillis),
  memory: parsed(parseSize).default(defaults.resources.memoryBytes),
  pids: z.number().default(defaults.resources.pids),
});

const retries = z.strictObject({
  count: z.number().default(defaults.retries.count),
  backoff: duration(defaults.retries.backoffMillis),
  max_backoff: duration(defaults.retries.maxBackoffMillis),
  on_exit: exitCodes,
  not_on_exit: exitCodes,
});

const jobSpecDocument = z.strictObject({
  name: z.string().optional(),
  command: z.array(z.string()).optional(),
  run: z.string().optional(),
  image: z.string().default(""),
  driver: z.enum(["auto", "docker", "process", "plain"]).default(defaults.driver),
  env: texts,
  resources: resources.prefault({}),
  timeout: duration(defaults.timeoutMillis),
  start_timeout: duration(defaults.startTimeoutMillis),
  kill_grace: duration(defaults.killGraceMillis),
  retries: z
    .preprocess((value) => (typeof value === "number" ? { count: value } : value), retries)
    .prefault({}),
  on_lost: z.enum(["rerun", "fail", "wait"]).default(defaults.onLost),
  once: z.boolean().default(defaults.once),
  priority: z.number().default(defaults.priority),
  labels: texts,
  output_keep: parsed(parseSize).default(defaults.outputKeepBytes),
});

type JobSpecDocument = z.infer<typeof jobSpecDocument>;

/** Reads one job spec; the error names the first field that is wrong. */
export function parseJobSpec(input: unknown): Result<JobSpec, SpecError> {
  const oddity = refuseOddity(input);
  if (oddity !== null) return err(oddity);
  const result = jobSpecDocument.safeParse(input, { reportInput: true });
  if (!result.success) return err(firstIssue(result.error.issues));
  const command = commandOf(result.data);
  return command.ok ? validateSpec(specFrom(result.data, command.value)) : command;
}

function refuseOddity(input: unknown): SpecError | null {
  if (!isMapping(input)) {
    return specError("", "a job spec is a mapping of fields", "run: echo hello");
  }
  return refuseProto(input, []);
}

const DEPTH_MAX = 32;

/** zod leaves this one key out without a word. */
function refuseProto(value: object, path: readonly string[]): SpecError | null {
  if (path.length > DEPTH_MAX) return specError("", `is nested deeper than ${DEPTH_MAX} levels`);
  for (const key of Object.keys(value)) {
    const inner: unknown = Reflect.get(value, key);
    const here = [...path, key];
    if (key === "__proto__") return specError(here.join("."), "is reserved", "choose another name");
    const fault = isMapping(inner) ? refuseProto(inner, here) : null;
    if (fault !== null) return fault;
  }
  return null;
}

const isMapping = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function commandOf(document: JobSpecDocument): Result<readonly string[], SpecError> {
  const { command, run } = document;
  if (command !== undefined && run !== undefined) {
    return err(specError("run", "stands beside command", "keep one of command and run"));
  }
  if (command !== undefined) return { ok: true, value: command };
  if (run === undefined) return err(specError("command", "is missing", "run: echo hello"));
  return run.trim() === ""
    ? err(specError("run", "is empty", "run: echo hello"))
    : { ok: true, value: ["sh", "-ec", run] };
}

function specFrom(document: JobSpecDocument, command: readonly string[]): JobSpec {
  const { resources: wanted, retries: again } = document;
  return {
    name: document.name ?? nameFor(document, command),
    command,
    image: document.image,
    driver: document.driver,
    env: document.env,
    resources: { cpuMillis: wanted.cpu, memoryBytes: wanted.memory, pids: wanted.pids },
    timeoutMillis: document.timeout,
    startTimeoutMillis: document.start_timeout,
    killGraceMillis: document.kill_grace,
    retries: {
      count: again.count,
      backoffMillis: again.backoff,
      maxBackoffMillis: again.max_backoff,
      onExit: again.on_exit,
      notOnExit: again.not_on_exit,
    },
    onLost: document.on_lost,
    once: document.once,
    priority: document.priority,
    labels: document.labels,
    outputKeepBytes: document.output_keep,
  };
}

const DEFAULT_NAME_LENGTH_MAX = 40;

/** The program's own name, when it is a plain word: a label for lists, nothing more. */
function nameFor(document: JobSpecDocument, command: readonly string[]): string {
  const line = document.run ?? command[0] ?? "";
  const program = line.trim().split(/\s/, 1)[0]?.split("/").at(-1) ?? "";
  return /^[\w.+-]+$/.test(program) ? program.slice(0, DEFAULT_NAME_LENGTH_MAX) : "job";
}

type Issue = z.core.$ZodIssue;

function firstIssue(issues: readonly Issue[]): SpecError {
  const [issue] = issues;
  if (issue === undefined) return specError("", "the spec is not valid");
  const path = issue.path.map(String);
  const field = path.join(".");
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKey(path, issue.keys[0] ?? "");
    case "invalid_type":
      return wrongType(field, issue.expected, issue.input);
    case "invalid_value":
      return specError(field, ...oneOf(issue.values.map(String), issue.input));
    default:
      return specError(field, issue.message);
  }
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(jobSpecDocument.shape),
  resources: Object.keys(resources.shape),
  retries: Object.keys(retries.shape),
};

/** Words of other tools for what has another name or place here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  args: "command",
  argv: "command",
  cmd: "command",
  cpu: "resources.cpu",
  entrypoint: "command",
  environment: "env",
  mem: "resources.memory",
  memory: "resources.memory",
  pids: "resources.pids",
  script: "run",
  shell: "run",
};

function unknownKey(path: readonly string[], key: string): SpecError {
  const parent = path.join(".");
  const field = [...path, key].join(".");
  const known = KEYS[parent] ?? [];
  const elsewhere = parent === "" && Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined;
  const suggestion = elsewhere ?? nearest(key, known);
  return specError(
    field,
    "is not a field of a job spec",
    suggestion === null ? `known fields: ${known.join(", ")}` : `did you mean ${suggestion}?`,
  );
}

function wrongType(field: string, expected: string, input: unknown): SpecError {
  const message = `must be a ${SPOKEN_TYPES[expected] ?? expected}, not ${typeName(input)}`;
  const isScalar = typeof input === "number" || typeof input === "boolean";
  const suggestion = expected === "string" && isScalar ? `quote it: "${input}"` : "";
  return specError(field, message, suggestion);
}

const SPOKEN_TYPES: Readonly<Record<string, string>> = {
  array: "list",
  object: "mapping",
  record: "mapping",
  boolean: "true or false value",
};

function typeName(input: unknown): string {
  if (input === null || input === undefined) return "nothing";
  if (Array.isArray(input)) return "a list";
  return typeof input === "object" ? "a mapping" : `a ${typeof input}`;
}

function oneOf(words: readonly string[], input: unknown): readonly [string, string] {
  const close = typeof input === "string" ? nearest(input, words) : null;
  return [`must be one of ${words.join(", ")}`, close === null ? "" : `did you mean ${close}?`];
}
