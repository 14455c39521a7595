import { readdirSync, readFileSync } from "node:fs";
import { basename, relative } from "node:path";

/** A process of nl that serves a node's directory. */
export type NodeProcess = {
  readonly pid: number;
  readonly kind: "agent" | "task-host";
  readonly nodeId: string;
};

/**
 * Every agent and task host that was started for a directory under `root`, by its own command line.
 * The pid files say the same, but a process that dies or is stopped while it starts leaves none.
 * Linux only: elsewhere nothing is found.
 */
export function processesUnder(root: string): readonly NodeProcess[] {
  return processIds().flatMap((pid) => {
    const served = servedBy(commandLineOf(pid), root);
    return served === null ? [] : [{ pid, ...served }];
  });
}

const KINDS = new Map<string, NodeProcess["kind"]>([
  ["agent", "agent"],
  ["server", "agent"],
  ["task-host", "task-host"],
]);

/** What a command line serves under `root`: `[bun …] nl.ts agent --dir ROOT/n1 …`; null: nothing. */
export function servedBy(words: readonly string[], root: string): Omit<NodeProcess, "pid"> | null {
  const at = words.findIndex((word, place) => KINDS.has(word) && isProgram(words, place - 1));
  const kind = KINDS.get(words[at] ?? "");
  const flag = words.indexOf("--dir", at);
  const directory = flag < 0 ? undefined : words[flag + 1];
  if (kind === undefined || directory === undefined) return null;
  const [nodeId = ""] = relative(root, directory).split("/");
  return nodeId === "" || nodeId === ".." ? null : { kind, nodeId };
}

const isProgram = (words: readonly string[], place: number): boolean =>
  place === 0 || basename(words[place] ?? "") === "nl.ts";

function processIds(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return []; // No /proc here.
  }
}

function commandLineOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // Gone meanwhile.
  }
}
