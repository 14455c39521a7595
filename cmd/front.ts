import type { ArgsDef, CommandDef } from "citty";
import { nearest } from "../engine/lib/nearest.ts";
import { GLOBAL_ARGS, type NlCommand, type NlGroup, type OtherWords } from "./command.ts";
import { TOPICS } from "./help/topics.ts";
import { Invocation } from "./invocation.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The strict front before citty (FACTS: alone it accepts unknown flags, keeps the last of repeated
 * ones, ignores `--` and does not hand parent flags down). Pure but for loading commands.
 */
export type Dispatch =
  | { readonly kind: "run"; readonly command: NlCommand; readonly invocation: Invocation }
  | { readonly kind: "help"; readonly path: readonly string[]; readonly command: CommandDef }
  | { readonly kind: "topic"; readonly name: string };

type FlagTable = ReadonlyMap<string, { readonly name: string; readonly isBoolean: boolean }>;

const ARGUMENT_BYTES_MAX = 256 * 1024;

export async function dispatch(root: CommandDef, words: readonly string[]): Promise<Dispatch> {
  for (const word of words) checkWord(word);
  const [first = "", ...rest] = words;
  if (VERSION_FLAGS.has(first) && rest.length === 0) return dispatch(root, ["version"]);
  if (first === "help") return helpOn(root, rest);
  const found = await findCommand(root, words);
  if (found.leaf === null) return { kind: "help", path: found.path, command: found.command };
  const parsed = parseWords(found.leaf, found.rest);
  if (parsed.flags.get("help") === true) {
    return { kind: "help", path: found.path, command: found.leaf };
  }
  checkPositionals(found.leaf, found.path.join(" "), parsed.positionals);
  return { kind: "run", command: found.leaf, invocation: new Invocation(parsed) };
}

const VERSION_FLAGS: ReadonlySet<string> = new Set(["--version", "-V"]);

/** `nl help`, `nl help run`, `nl help cluster log`, `nl help exit-codes`. */
async function helpOn(root: CommandDef, words: readonly string[]): Promise<Dispatch> {
  const [name = ""] = words;
  if (words.length === 1 && TOPICS.has(name)) return { kind: "topic", name };
  const { command, path } = await findCommand(root, words);
  return { kind: "help", command, path };
}

type Found = {
  readonly command: CommandDef;
  readonly leaf: NlCommand | null;
  readonly path: readonly string[];
  /** The words that are left: global flags that stood before the name, then what followed it. */
  readonly rest: readonly string[];
};

async function findCommand(root: CommandDef, words: readonly string[]): Promise<Found> {
  const globals = flagTable(GLOBAL_ARGS);
  const early: string[] = [];
  const path = ["nl"];
  let command = root;
  let at = 0;
  while (!isLeaf(command)) {
    const word = words[at];
    if (word === undefined || word === "--") break;
    if (word.startsWith("-")) {
      const used = flagLength(globals, words, at, path);
      early.push(...words.slice(at, at + used));
      at += used;
      continue;
    }
    command = await subCommand(command, word, path);
    path.push(word);
    at += 1;
  }
  if (isLeaf(command))
    return { command, leaf: command, path, rest: [...early, ...words.slice(at)] };
  if (words[at] === "--") throw new UsageError("no command before --", "try: nl run -- echo hello");
  return { command, leaf: null, path, rest: early };
}

function isLeaf(command: CommandDef): command is NlCommand {
  return "strict" in command;
}

async function subCommand(
  parent: CommandDef,
  word: string,
  path: readonly string[],
): Promise<CommandDef> {
  const table = await resolve(parent.subCommands ?? {});
  const { aliases = {}, guesses = {} } = wordsOf(parent);
  const name = Object.hasOwn(aliases, word) ? (aliases[word] ?? word) : word;
  if (Object.hasOwn(table, name)) {
    const entry = table[name];
    if (entry !== undefined) return resolve<CommandDef>(entry);
  }
  const known = [...Object.keys(table), ...Object.keys(aliases)];
  const close = Object.hasOwn(guesses, word)
    ? word
    : nearest(word, [...known, ...Object.keys(guesses)]);
  const guess = close === null ? null : (guesses[close] ?? close);
  throw new UsageError(
    `unknown command "${[...path.slice(1), word].join(" ")}"`,
    guess === null ? `see: ${path.join(" ")} --help` : `did you mean "${guess}"?`,
  );
}

const wordsOf = (parent: CommandDef): OtherWords =>
  "words" in parent ? (parent as NlGroup).words : {};

async function resolve<T>(value: T | Promise<T> | (() => T) | (() => Promise<T>)): Promise<T> {
  return typeof value === "function" ? (value as () => T | Promise<T>)() : value;
}

type Parsed = {
  readonly flags: ReadonlyMap<string, string | boolean | readonly string[]>;
  readonly positionals: readonly string[];
  readonly command: readonly string[];
};

function parseWords(leaf: NlCommand, words: readonly string[]): Parsed {
  const { repeat, takesCommand, positionals: wanted } = leaf.strict;
  const table = flagTable(leaf.args as ArgsDef);
  const flags = new Map<string, string | boolean | string[]>();
  const positionals: string[] = [];
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") break;
    if (word.startsWith("-") && word !== "-") {
      const flag = readFlag(table, words, at, leaf);
      setFlag(flags, flag, repeat);
      at += flag.used - 1;
    } else if (takesCommand && positionals.length >= wanted.max) {
      return { flags, positionals, command: words.slice(at) };
    } else positionals.push(word);
  }
  const after = words.slice(at + 1);
  if (takesCommand) return { flags, positionals, command: after };
  return { flags, positionals: [...positionals, ...after], command: [] };
}

type Flag = { readonly name: string; readonly value: string | boolean; readonly used: number };

function setFlag(
  flags: Map<string, string | boolean | string[]>,
  { name, value }: Flag,
  repeat: readonly string[],
): void {
  const before = flags.get(name);
  if (repeat.includes(name)) {
    flags.set(name, [...(Array.isArray(before) ? before : []), String(value)]);
  } else if (before !== undefined && before !== value) {
    throw new UsageError(`--${name} is given twice, with different values`);
  } else flags.set(name, value);
}

function readFlag(table: FlagTable, words: readonly string[], at: number, leaf: NlCommand): Flag {
  const word = words[at] ?? "";
  const equals = word.indexOf("=");
  const written = equals < 0 ? word : word.slice(0, equals);
  const known = lookUp(table, written);
  if (known === undefined) throw unknownFlag(table, written, leaf.strict.takesCommand);
  const { name, isBoolean } = known;
  if (isBoolean) {
    if (equals < 0) return { name, value: !isNegated(table, written), used: 1 };
    throw new UsageError(`${written} takes no value`);
  }
  const value = equals >= 0 ? word.slice(equals + 1) : words[at + 1];
  // Empty as a rule means a variable of a script that is not set: never guess a default for it.
  if (value === undefined || value === "" || (equals < 0 && value === "--")) {
    throw new UsageError(`${written} needs a value`);
  }
  return { name, value, used: equals >= 0 ? 1 : 2 };
}

function flagLength(
  globals: FlagTable,
  words: readonly string[],
  at: number,
  path: readonly string[],
): number {
  const word = words[at] ?? "";
  const known = lookUp(globals, word.split("=")[0] ?? "");
  if (known === undefined) {
    throw new UsageError(`unknown flag ${word} before a command`, `see: ${path.join(" ")} --help`);
  }
  if (known.isBoolean || word.includes("=")) return 1;
  if (words[at + 1] === undefined) throw new UsageError(`${word} needs a value`);
  return 2;
}

function flagTable(args: ArgsDef): FlagTable {
  const table = new Map<string, { readonly name: string; readonly isBoolean: boolean }>();
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === "positional") continue;
    const flag = { name, isBoolean: definition.type === "boolean" };
    table.set(`--${name}`, flag);
    const aliases = "alias" in definition ? [definition.alias ?? []].flat() : [];
    for (const alias of aliases) table.set(alias.length === 1 ? `-${alias}` : `--${alias}`, flag);
  }
  return table;
}

const lookUp = (table: FlagTable, written: string) =>
  table.get(written) ??
  (written.startsWith("--no-") ? onlyBoolean(table.get(`--${written.slice(5)}`)) : undefined);

const onlyBoolean = <T extends { readonly isBoolean: boolean }>(flag: T | undefined) =>
  flag?.isBoolean === true ? flag : undefined;

const isNegated = (table: FlagTable, written: string): boolean =>
  !table.has(written) && written.startsWith("--no-");

function unknownFlag(table: FlagTable, written: string, takesCommand: boolean): UsageError {
  const guess = nearest(written, table.keys());
  const hint = takesCommand ? "flags of your command go after --" : "see --help";
  return new UsageError(
    `unknown flag ${written}`,
    guess === null ? hint : `did you mean ${guess}?`,
  );
}

function checkPositionals(leaf: NlCommand, path: string, given: readonly string[]): void {
  const { name, min, max } = leaf.strict.positionals;
  if (given.length < min) throw new UsageError(`${path} needs ${name}`, `see: ${path} --help`);
  if (given.length > max) {
    throw new UsageError(`unexpected argument "${given[max] ?? ""}"`, `see: ${path} --help`);
  }
}

function checkWord(word: string): void {
  if (word.includes("\0")) throw new UsageError("an argument contains a NUL byte");
  if (Buffer.byteLength(word) > ARGUMENT_BYTES_MAX) {
    throw new UsageError(`an argument is longer than ${ARGUMENT_BYTES_MAX} bytes`);
  }
}
