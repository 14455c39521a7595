/** A command taken apart: `propose 1 foo` or `deliver-msgs 1 2 drop=(3)\nbody`. */
export type Command = {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
};

type OptionKind = "number" | "numbers" | "flag" | "word" | readonly string[];
type Shape = {
  /** What the arguments are: node numbers, unless said otherwise. */
  readonly args: "ids" | "id-and-text" | "words";
  /** How many arguments at least. */
  readonly least: number;
  readonly options?: Readonly<Record<string, OptionKind>>;
};

const IDS: Shape = { args: "ids", least: 1 };

/** The whole command language: whatever is not in it is refused, never passed over. */
const LANGUAGE: Readonly<Record<string, Shape>> = {
  _breakpoint: { args: "words", least: 0 },
  "add-nodes": {
    args: "ids",
    least: 1,
    options: {
      voters: "numbers",
      learners: "numbers",
      index: "number",
      content: "word",
      inflight: "number",
      prevote: "flag",
      checkquorum: "flag",
      "read-only": ["safe", "lease-based"],
      "async-storage-writes": "flag",
      "max-committed-size-per-ready": "number",
      "step-down-on-removal": "flag",
      "disable-conf-change-validation": ["false"],
    },
  },
  campaign: IDS,
  compact: { args: "ids", least: 2 },
  "deliver-msgs": {
    args: "ids",
    least: 0,
    options: {
      drop: "numbers",
      type: [
        ...["MsgApp", "MsgAppResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgPreVoteResp"],
        ...["MsgHeartbeat", "MsgHeartbeatResp", "MsgSnap", "MsgTimeoutNow", "MsgProp"],
        "MsgTransferLeader",
      ],
    },
  },
  "forget-leader": IDS,
  "log-level": { args: "words", least: 1 },
  "process-append-thread": IDS,
  "process-apply-thread": IDS,
  "process-ready": IDS,
  propose: { args: "id-and-text", least: 1 },
  "propose-conf-change": {
    args: "ids",
    least: 1,
    options: { v1: "flag", transition: ["auto", "implicit", "explicit"] },
  },
  "raft-log": IDS,
  "raft-state": { args: "ids", least: 0 },
  "report-unreachable": { args: "ids", least: 2 },
  "send-snapshot": { args: "ids", least: 2 },
  "set-randomized-election-timeout": { args: "ids", least: 1, options: { timeout: "number" } },
  stabilize: { args: "ids", least: 0, options: { "log-level": "word" } },
  status: IDS,
  "tick-election": IDS,
  "tick-heartbeat": IDS,
  "transfer-leadership": { args: "ids", least: 0, options: { from: "number", to: "number" } },
};

export const COMMANDS: readonly string[] = Object.keys(LANGUAGE);

/** Throws for a command, an option or a value that is not in the language. */
export function parseCommand(cmd: string): Command {
  const [line = "", ...rest] = cmd.replaceAll("\\\n", " ").split("\n");
  const [name = "", ...words] = line.match(/[^\s=]+=\([^)]*\)|\([^)]*\)|\S+/g) ?? [];
  const shape = LANGUAGE[name];
  if (shape === undefined) throw new Error(`unknown command: ${name}`);
  // What is proposed is text, whatever it looks like.
  const textFrom = shape.args === "id-and-text" ? 1 : words.length;
  const isOption = (word: string, place: number): boolean =>
    place < textFrom && (word.includes("=") || shape.options?.[word] === "flag");
  const options = new Map(words.filter(isOption).map(parseOption));
  const args = words.filter((word, place) => !isOption(word, place)).flatMap(listOf);
  const command = { name, args, options, body: rest.join("\n") };
  checkArguments(command, shape);
  for (const [option, values] of options) checkOption(name, option, values, shape);
  return command;
}

/** A flag without a value is set. */
function parseOption(word: string): readonly [string, readonly string[]] {
  const equals = word.indexOf("=");
  if (equals < 0) return [word, ["true"]];
  return [word.slice(0, equals), listOf(word.slice(equals + 1))];
}

function checkArguments({ name, args }: Command, shape: Shape): void {
  if (args.length < shape.least) throw new Error(`${name}: too few arguments`);
  const ids = shape.args === "ids" ? args : shape.args === "words" ? [] : args.slice(0, 1);
  for (const id of ids) if (!isNumber(id)) throw new Error(`${name}: not a number: ${id}`);
}

function checkOption(name: string, option: string, values: readonly string[], shape: Shape): void {
  const kind = shape.options?.[option];
  if (kind === undefined) throw new Error(`${name}: unknown option: ${option}`);
  const isMany = kind === "numbers";
  const isGood = (isMany || values.length === 1) && values.every((value) => isAllowed(kind, value));
  if (!isGood) throw new Error(`${name}: ${option} cannot be ${values.join(",") || "empty"}`);
}

function isAllowed(kind: OptionKind, value: string): boolean {
  if (kind === "word") return true;
  if (kind === "flag") return value === "true" || value === "false";
  if (kind === "number" || kind === "numbers") return isNumber(value);
  return kind.includes(value);
}

const isNumber = (word: string): boolean => /^\d+$/.test(word);

const listOf = (word: string): readonly string[] =>
  word
    .replace(/^\(|\)$/g, "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

export const numbers = (words: readonly string[] = []): readonly number[] => words.map(Number);

export const flag = (command: Command, name: string): boolean =>
  command.options.get(name)?.[0] === "true";

/** The value of a numeric option; `otherwise` when it is not given. */
export const numberOption = (command: Command, name: string, otherwise: number): number =>
  Number(command.options.get(name)?.[0] ?? otherwise);
