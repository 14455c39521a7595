import { nearest } from "../lib/nearest.ts";
import { err, ok, type Result } from "../lib/result.ts";

/**
 * The one filter grammar of every surface: words separated by spaces, all of which must hold.
 * `state:running,failed  node:n3  name:train  id:01j9  word` (a bare word looks into id and name).
 */
export type JobFilter = {
  readonly states: readonly string[];
  readonly nodes: readonly string[];
  readonly names: readonly string[];
  readonly ids: readonly string[];
  readonly words: readonly string[];
};

export type Filterable = {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly nodeId: string;
};

export const EVERYTHING: JobFilter = { states: [], nodes: [], names: [], ids: [], words: [] };

export const JOB_STATES = [
  "pending",
  "assigned",
  "running",
  "completed",
  "failed",
  "cancelled",
] as const;

const KEYS = { state: "states", node: "nodes", name: "names", id: "ids" } as const;

/** The error is one sentence for people. */
export function parseFilter(text: string): Result<JobFilter, string> {
  const filter = { states: [], nodes: [], names: [], ids: [], words: [] } as Record<
    keyof JobFilter,
    string[]
  >;
  for (const word of text.trim().toLowerCase().split(/\s+/).filter(Boolean)) {
    const colon = word.indexOf(":");
    if (colon < 0) {
      filter.words.push(word);
      continue;
    }
    const key = word.slice(0, colon);
    if (!isKey(key)) return err(unknown("filter", key, Object.keys(KEYS)));
    filter[KEYS[key]].push(
      ...word
        .slice(colon + 1)
        .split(",")
        .filter(Boolean),
    );
  }
  const wrong = filter.states.find((state) => !JOB_STATES.some((known) => known === state));
  return wrong === undefined ? ok(filter) : err(unknown("state", wrong, JOB_STATES));
}

export function matches(filter: JobFilter, job: Filterable): boolean {
  const name = job.name.toLowerCase();
  return (
    isAny(filter.states, (state) => job.state === state) &&
    isAny(filter.nodes, (node) => job.nodeId === node) &&
    isAny(filter.names, (part) => name.includes(part)) &&
    isAny(filter.ids, (prefix) => job.id.startsWith(prefix)) &&
    filter.words.every((word) => name.includes(word) || job.id.includes(word))
  );
}

const isKey = (key: string): key is keyof typeof KEYS => Object.hasOwn(KEYS, key);

const isAny = (wanted: readonly string[], test: (word: string) => boolean): boolean =>
  wanted.length === 0 || wanted.some(test);

function unknown(what: string, word: string, known: readonly string[]): string {
  const guess = nearest(word, known);
  const hint = guess === null ? `one of ${known.join(", ")}` : `did you mean "${guess}"?`;
  return `unknown ${what} "${word}": ${hint}`;
}
