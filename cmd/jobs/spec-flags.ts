import type { ArgsDef } from "citty";
import { nlError } from "../../engine/lib/error-code.ts";
import type { JobSpec } from "../../engine/lib/job-spec.ts";
import type { Invocation } from "../invocation.ts";
import { NlFailure } from "../nl-failure.ts";
import { UsageError } from "../usage-error.ts";

/** Flags that describe a job: the same fields as in a spec file (SEMANTICS §2, Submit). */
export const SPEC_ARGS = {
  image: {
    type: "string",
    valueHint: "IMAGE",
    description: "Container image; without it the node's default",
  },
  name: { type: "string", valueHint: "NAME", description: "A label; need not be unique" },
  env: {
    type: "string",
    alias: ["e"],
    valueHint: "KEY=VALUE",
    description: "Environment; may be repeated",
  },
  cpu: {
    type: "string",
    valueHint: "CORES",
    description: "Cores reserved and limited (default 0.5)",
  },
  memory: {
    type: "string",
    alias: ["m"],
    valueHint: "SIZE",
    description: "Memory reserved and limited (default 256Mi)",
  },
  timeout: {
    type: "string",
    valueHint: "TIME",
    description: "Per attempt, from its start (default 1h)",
  },
  grace: { type: "string", valueHint: "TIME", description: "Between TERM and KILL (default 10s)" },
  retries: {
    type: "string",
    valueHint: "N",
    description: "Tries again after a failure of the program (default 0)",
  },
  priority: { type: "string", valueHint: "0-100", description: "Higher goes first (default 50)" },
  driver: { type: "string", valueHint: "NAME", description: "auto, docker, process or plain" },
  "on-lost": {
    type: "string",
    valueHint: "WHAT",
    description: "rerun, fail or wait when its node is lost",
  },
  once: { type: "boolean", description: "Never start a second time" },
  "output-keep": {
    type: "string",
    valueHint: "SIZE",
    description: "First and last bytes of output kept, each (default 256Ki)",
  },
  label: {
    type: "string",
    alias: ["l"],
    valueHint: "KEY=VALUE",
    description: "Label; may be repeated",
  },
  id: {
    type: "string",
    valueHint: "ID",
    description: "Job id; repeat it to retry the same submission safely",
  },
} as const satisfies ArgsDef;

export const SPEC_REPEAT: readonly string[] = ["env", "label"];

/** Fields given as flags, in the form a spec file has. */
export function specInput(invocation: Invocation): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  const put = (field: string, value: unknown) => {
    if (value !== null) input[field] = value;
  };
  for (const field of ["image", "name", "driver", "timeout"]) put(field, invocation.text(field));
  put("kill_grace", invocation.text("grace"));
  put("on_lost", invocation.text("on-lost"));
  put("output_keep", invocation.text("output-keep"));
  put("retries", invocation.integer("retries", 0, 1_000));
  put("priority", invocation.integer("priority", 0, 100));
  if (invocation.isSet("once")) input["once"] = true;
  const resources = resourcesInput(invocation);
  if (Object.keys(resources).length > 0) input["resources"] = resources;
  if (invocation.isGiven("env")) input["env"] = pairs("env", invocation.list("env"));
  if (invocation.isGiven("label")) input["labels"] = pairs("label", invocation.list("label"));
  return input;
}

function resourcesInput(invocation: Invocation): Record<string, unknown> {
  const [cpu, memory] = [invocation.text("cpu"), invocation.text("memory")];
  return {
    ...(cpu === null ? {} : { cpu: /^\d+(\.\d+)?$/.test(cpu) ? Number(cpu) : cpu }),
    ...(memory === null ? {} : { memory }),
  };
}

function pairs(flag: string, given: readonly string[]): Readonly<Record<string, string>> {
  const table = Object.create(null) as Record<string, string>;
  for (const pair of given) {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw new UsageError(`"${pair}" is not KEY=VALUE`, `--${flag} KEY=VALUE`);
    table[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return { ...table };
}

/** The spec, checked by the one schema; a fault names its field. */
export async function parseSpec(input: unknown): Promise<JobSpec> {
  const { parseJobSpec } = await import("../../engine/config/job-spec-schema.ts");
  const parsed = parseJobSpec(input);
  if (parsed.ok) return parsed.value;
  const { field, message, suggestion } = parsed.error;
  const where = field === "" ? "" : `${field}: `;
  throw new NlFailure(nlError("invalid_spec", `${where}${message}`, suggestion));
}
