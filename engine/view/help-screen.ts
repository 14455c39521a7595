import { fit } from "./format.ts";
import { BINDINGS, keyName } from "./keymap.ts";
import { bold, EMPTY_LINE, type Line, plainLine } from "./line.ts";
import type { View } from "./ui-state.ts";

/** Every key of a view, from the one table of bindings, in two columns. */
export function helpScreen(view: View): readonly Line[] {
  const words = BINDINGS.filter(({ views }) => views.includes(view)).map(
    ({ keys, label }) => `${fit(keys.map(keyName).join(" "), 14)}${fit(label, 20)}`,
  );
  const half = Math.ceil(words.length / 2);
  const rows = words
    .slice(0, half)
    .map((left, at) => plainLine(`  ${left}  ${words[at + half] ?? ""}`));
  return [
    [bold(`  keys in ${view}`)],
    EMPTY_LINE,
    ...rows,
    EMPTY_LINE,
    plainLine("  any key closes this", "muted"),
  ];
}
