/** Numbers and states as every screen shows them: one place, so that terminal and web agree. */

/** 48213 → "48,213". */
export function formatCount(value: number): string {
  return String(Math.trunc(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Milliseconds as a clock: 00:42, 12:05, 1:02:03, 2d04h. */
export function formatClock(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
  const clock = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** Wall-clock time of day, UTC. */
export function formatTimeOfDay(unixMillis: number): string {
  const seconds = Math.floor(unixMillis / 1000) % 86_400;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Meaning, not colour: each painter maps it to its own palette. */
export type Tone = "plain" | "muted" | "ok" | "live" | "warn" | "error" | "accent";

const two = (value: number): string => String(value).padStart(2, "0");

/** Cells of a terminal that this text takes (wide characters count two, combining marks none). */
export function cellWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Cut to `cells`, with an ellipsis when something is missing, and padded to exactly `cells`. */
export function fit(text: string, cells: number): string {
  if (cells <= 0) return "";
  const width = cellWidth(text);
  if (width <= cells) return text + " ".repeat(cells - width);
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = characterWidth(character);
    if (used + next > cells - 1) break;
    kept += character;
    used += next;
  }
  return `${kept}…${" ".repeat(cells - used - 1)}`;
}

export const fitRight = (text: string, cells: number): string => {
  const width = cellWidth(text);
  return width <= cells ? " ".repeat(cells - width) + text : fit(text, cells);
};

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const ZERO = /\p{Mn}|\p{Me}/u;

function characterWidth(character: string): number {
  if (character < "\u0300") return 1;
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
