/** One command of a scenario file and what etcd printed for it, by node number. */
export type Block = {
  readonly cmd: string;
  readonly soft?: ByNode<SoftState>;
  readonly hs?: ByNode<HardStateText>;
  readonly entries?: ByNode<readonly EntryText[]>;
  readonly committed?: ByNode<readonly EntryText[]>;
  readonly raftlog?: ByNode<readonly EntryText[]>;
  readonly raftstate?: ByNode<RaftStateText>;
  readonly status?: ByNode<ByNode<ProgressText>>;
  readonly text?: readonly string[];
};

type ByNode<Value> = Readonly<Record<string, Value>>;
export type SoftState = { readonly lead: number; readonly role: string };
export type HardStateText = {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
};
/** Term, index, type, payload as etcd prints it. */
export type EntryText = readonly [number, number, string, string];
export type RaftStateText = SoftState & { readonly voter: boolean; readonly term: number };
/** `next` and `flags` are in the files but depend on how messages were batched: not compared. */
export type ProgressText = { readonly state: string; readonly match: number };

/** A command taken apart: `propose 1 foo` or `deliver-msgs 1 2 drop=(3)\nbody`. */
export type Command = {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
};

export function parseCommand(cmd: string): Command {
  const [line = "", ...rest] = cmd.split("\n");
  const [name = "", ...words] = line.match(/[^\s=]+=\([^)]*\)|\S+/g) ?? [];
  const options = new Map<string, readonly string[]>();
  const args: string[] = [];
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals < 0) args.push(...listOf(word));
    else options.set(word.slice(0, equals), listOf(word.slice(equals + 1)));
  }
  return { name, args, options, body: rest.join("\n") };
}

const listOf = (word: string): readonly string[] =>
  word
    .replace(/^\(|\)$/g, "")
    .split(",")
    .filter((item) => item !== "");

export const numbers = (words: readonly string[] = []): readonly number[] => words.map(Number);

export const flag = (command: Command, name: string): boolean =>
  command.options.get(name)?.[0] === "true";
