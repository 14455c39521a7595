import { Scenario } from "./etcd-adapter.ts";
import type { Block } from "./scenario.ts";

type Path = readonly (string | number)[];

/** Of the command itself nothing is expected; what is printed beside the state is not compared. */
const NOT_COMPARED: ReadonlySet<string | number> = new Set(["cmd", "next", "flags", "text"]);

/** How many single values a scenario expects. */
export const expectationCount = (blocks: readonly Block[]): number =>
  blocks.flatMap((block) => leavesOf(block)).length;

/**
 * Changes each expected value in turn, to something else of its kind: the places where the adapter
 * did not notice. Empty, unless it compares less than it says.
 */
export function unnoticed(blocks: readonly Block[]): readonly string[] {
  const scenario = new Scenario();
  return blocks.flatMap((block, place) => {
    scenario.perform(block.cmd);
    const missed = leavesOf(block).filter((path) => {
      const found = scenario.compare(flip(block, path) as Block);
      return found.length === 0;
    });
    return missed.map((path) => `#${place} ${block.cmd}: ${path.join(".")}`);
  });
}

function leavesOf(value: unknown): readonly Path[] {
  if (typeof value !== "object" || value === null) return [[]];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys
    .filter((key) => !NOT_COMPARED.has(key))
    .flatMap((key) =>
      leavesOf((value as Readonly<Record<string, unknown>>)[key]).map((path) => [key, ...path]),
    );
}

function flip(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return otherThan(value);
  if (Array.isArray(value)) return value.with(Number(key), flip(value[Number(key)], rest));
  const record = value as Readonly<Record<string, unknown>>;
  return { ...record, [key]: flip(record[key], rest) };
}

function otherThan(value: unknown): unknown {
  if (typeof value === "number") return value + 1;
  return typeof value === "boolean" ? !value : `other than ${value}`;
}
