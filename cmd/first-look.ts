import { GLOBAL_ARGS } from "./command.ts";

/**
 * What a command line says about how its failure is told, also when the rest of it is wrong: known
 * before it is understood.
 */
export type FirstLook = {
  /** The first word that is no flag; empty when there is none. */
  readonly name: string;
  /** nl's own trouble is 125 here, so that it cannot be taken for the job's code (DESIGN §5). */
  readonly exitsAsJob: boolean;
  /** What `-o` says; null when it says nothing. */
  readonly format: string | null;
};

export function firstLook(words: readonly string[]): FirstLook {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const name = commandName(own);
  const isWaiting = name === "submit" && own.includes("--wait");
  const exitsAsJob = name === "run" || name === "wait" || isWaiting;
  return { name, exitsAsJob, format: formatIn(own) };
}

function commandName(words: readonly string[]): string {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("-")) return word;
    if (takesValue(word)) at += 1;
  }
  return "";
}

function formatIn(words: readonly string[]): string | null {
  const at = words.findLastIndex((word) => /^(-o|--output)(=|$)/.test(word));
  const [, inline] = (words[at] ?? "").split("=");
  return at < 0 ? null : (inline ?? words[at + 1] ?? null);
}

const takesValue = (word: string): boolean => VALUED.has(word);

const VALUED: ReadonlySet<string> = new Set(
  Object.entries(GLOBAL_ARGS).flatMap(([name, definition]) => {
    if (definition.type === "boolean") return [];
    const aliases: readonly string[] = "alias" in definition ? definition.alias : [];
    return [`--${name}`, ...aliases.map((alias) => `-${alias}`)];
  }),
);
