import type { Key } from "ink";

const NAMED = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pageup"],
  ["pageDown", "pagedown"],
  ["home", "home"],
  ["end", "end"],
  ["return", "return"],
  ["escape", "escape"],
  ["tab", "tab"],
  ["backspace", "backspace"],
  ["delete", "backspace"],
] as const satisfies readonly (readonly [keyof Key, string])[];

const DELETE = "\u007f";

/** Ink names a key that comes alone; among others, as when somebody types fast, it is a character. */
const CONTROLS: Readonly<Record<string, string>> = {
  "\r": "return",
  "\n": "return",
  "\t": "tab",
  "\b": "backspace",
  [DELETE]: "backspace",
};

/** Mouse reports leak into input as text; nothing of them is a key (FACTS, CLI and TUI). */
const MOUSE = /\[<\d+;\d+;\d+[Mm]|\[M.../;

/** Ink's input as the names that the keymap uses; several when keys arrived together. */
export function keysOf(input: string, key: Key): readonly string[] {
  const named = NAMED.find(([field]) => key[field]);
  if (named !== undefined) return [named[1]];
  if (MOUSE.test(input)) return [];
  if (key.ctrl) return input.length === 1 ? [`ctrl-${input}`] : [];
  if (key.meta) return [];
  return [...input].flatMap((character) =>
    character >= " " && character !== DELETE ? [character] : (CONTROLS[character] ?? []),
  );
}
