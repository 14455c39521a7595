/**
 * Makes text from outside (names, commands, errors, output) safe to print: control characters,
 * escape sequences and direction overrides become visible symbols, so that they cannot move the
 * cursor, write the clipboard or pose as something else. Used at every sink (SEMANTICS §3).
 */
export function cleanText(text: string): string {
  return text.replace(UNSAFE, visible);
}

/** As `cleanText`, and on one line. */
export const cleanLine = (text: string): string => cleanText(text.replace(/\s*[\r\n]+\s*/g, " "));

// Controls except tab and newline, format characters (bidirectional, zero-width), line and paragraph
// separators, lone surrogates.
const UNSAFE = /[^\P{Cc}\t\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return "�";
}
