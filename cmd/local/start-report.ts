import { cleanLine } from "../../engine/lib/clean-text.ts";

const LINES_SHOWN = 10;

/**
 * Why a node ended, from what it said since it was started: the sentence and the hint of its own
 * refusal, else its last lines as they are.
 */
export function whyEnded(said: readonly string[]): string {
  const at = said.findLastIndex((line) => line.startsWith(ERROR));
  if (at < 0) {
    if (said.length === 0) return "it said nothing";
    return ["its last lines:", ...said.slice(-LINES_SHOWN).map(cleanLine)].join("\n    ");
  }
  const sentence = cleanLine(said[at] ?? "").slice(ERROR.length);
  const next = said[at + 1] ?? "";
  return next.startsWith(HINT) ? `${sentence} (${cleanLine(next).slice(HINT.length)})` : sentence;
}

const ERROR = "error: ";
const HINT = "hint: ";

/** Each warning once, with the nodes that have it when that is not all of them. */
export function mergedWarnings(
  nodes: readonly { readonly nodeId: string; readonly warnings: readonly string[] }[],
): readonly string[] {
  const holders = new Map<string, string[]>();
  for (const { nodeId, warnings } of nodes) {
    for (const warning of warnings) {
      holders.set(warning, [...(holders.get(warning) ?? []), nodeId]);
    }
  }
  return [...holders].map(([warning, ids]) =>
    ids.length === nodes.length ? warning : `${ids.join(", ")}: ${warning}`,
  );
}

/** "1 job", "2 jobs". */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
