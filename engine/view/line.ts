import { cellWidth, fit, type Tone } from "./format.ts";

/** A stretch of text with one meaning. Painters map tones to colours, and may ignore them. */
export type Span = {
  readonly text: string;
  readonly tone: Tone;
  readonly bold?: boolean;
  readonly inverse?: boolean;
};

/** One row of a screen. */
export type Line = readonly Span[];

export const span = (text: string, tone: Tone = "plain"): Span => ({ text, tone });
export const bold = (text: string, tone: Tone = "plain"): Span => ({ text, tone, bold: true });
export const plainLine = (text: string, tone: Tone = "plain"): Line => [span(text, tone)];
export const EMPTY_LINE: Line = [];

export const lineText = (line: Line): string => line.map(({ text }) => text).join("");

const lineWidth = (line: Line): number =>
  line.reduce((width, { text }) => width + cellWidth(text), 0);

/** `left` and `right` at the two ends of a line of `width` cells; the left gives way. */
export function spread(left: Line, right: Line, width: number): Line {
  const room = width - lineWidth(right);
  const kept = cutLine(left, room);
  return [...kept, span(" ".repeat(Math.max(0, room - lineWidth(kept)))), ...right];
}

/** At most `width` cells of a line. */
export function cutLine(line: Line, width: number): Line {
  const kept: Span[] = [];
  let room = width;
  for (const part of line) {
    const cells = cellWidth(part.text);
    if (cells <= room) {
      kept.push(part);
      room -= cells;
      continue;
    }
    if (room > 0) kept.push({ ...part, text: fit(part.text, room) });
    break;
  }
  return kept;
}

export const inverted = (line: Line): Line => line.map((part) => ({ ...part, inverse: true }));
