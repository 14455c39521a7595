import type { ArgsDef, CommandDef } from "citty";
import type { Invocation } from "./invocation.ts";
import type { World } from "./world.ts";

export type Positionals = {
  readonly name: string;
  readonly min: number;
  readonly max: number;
};

export type CommandOptions = {
  readonly name: string;
  /** One line: what it does. */
  readonly summary: string;
  readonly examples: readonly string[];
  readonly args?: ArgsDef;
  /** Flags of `args` that may be given more than once. */
  readonly repeat?: readonly string[];
  readonly positionals?: Positionals;
  /** Words after `--` (or after the first positional) are a command to run. */
  readonly takesCommand?: boolean;
  readonly hidden?: boolean;
  readonly run: (invocation: Invocation, world: World) => Promise<number>;
};

/** What the strict front needs to know about a command beyond what citty does. */
export type Strictness = Required<Pick<CommandOptions, "examples" | "repeat" | "takesCommand">> & {
  readonly positionals: Positionals;
};

export type NlCommand = CommandDef & {
  readonly strict: Strictness;
  readonly start: CommandOptions["run"];
};

const NO_POSITIONALS: Positionals = { name: "", min: 0, max: 0 };

/**
 * Defines one command of the tree: data in citty's form, plus what makes the front strict. Of citty
 * only the types are needed: loading its code costs a third of the time that Bun takes to start.
 */
export function command(options: CommandOptions): NlCommand {
  const definition: CommandDef = {
    meta: {
      name: options.name,
      description: options.summary,
      ...(options.hidden === true ? { hidden: true } : {}),
    },
    args: { ...options.args, ...GLOBAL_ARGS } satisfies ArgsDef,
  };
  const strict: Strictness = {
    examples: options.examples,
    repeat: options.repeat ?? [],
    positionals: options.positionals ?? NO_POSITIONALS,
    takesCommand: options.takesCommand ?? false,
  };
  return Object.assign(definition, { strict, start: options.run });
}

/** Words for children of a group beyond their names. */
export type OtherWords = {
  /** Accepted: other word → name. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Not accepted, but what they mean is suggested: other word → the words to type. */
  readonly guesses?: Readonly<Record<string, string>>;
};

export type NlGroup = CommandDef & { readonly words: OtherWords };

/** A command that only holds others. */
export const group = (definition: CommandDef, words: OtherWords = {}): NlGroup =>
  Object.assign(definition, { words });

/** Accepted by every command, before or after its name (DESIGN §5). */
export const GLOBAL_ARGS = {
  addr: {
    type: "string",
    alias: ["a"],
    valueHint: "LIST",
    description: "Addresses of nodes, comma-separated (env NL_ADDR)",
  },
  output: {
    type: "string",
    alias: ["o"],
    valueHint: "FORMAT",
    description: "table, wide, json, jsonl, yaml or name",
  },
  quiet: { type: "boolean", alias: ["q"], description: "Print only ids" },
  data: { type: "string", valueHint: "DIR", description: "Directory of the local cluster" },
  "ca-cert": { type: "string", valueHint: "FILE", description: "The cluster's CA certificate" },
  cert: { type: "string", valueHint: "FILE", description: "Client certificate" },
  key: { type: "string", valueHint: "FILE", description: "Key of the client certificate" },
  "request-timeout": {
    type: "string",
    valueHint: "TIME",
    description: "How long to keep trying a request (default 60s)",
  },
  color: {
    type: "boolean",
    negativeDescription: "No colour (also NO_COLOR)",
    description: "Use colour",
  },
  yes: { type: "boolean", alias: ["y"], description: "Answer questions with yes" },
  help: { type: "boolean", alias: ["h"], description: "Show this help" },
} as const satisfies ArgsDef;
