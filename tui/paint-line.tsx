import { Text } from "ink";
import type { Tone } from "../engine/view/format.ts";
import type { Line, Span } from "../engine/view/line.ts";

type Style = { readonly color?: string; readonly dimColor?: boolean };

/** The terminal's own sixteen colours; meaning never rests on colour alone. */
const STYLES: Readonly<Record<Tone, Style>> = {
  plain: {},
  muted: { dimColor: true },
  ok: { color: "green" },
  live: { color: "cyan" },
  warn: { color: "yellow" },
  error: { color: "red" },
  accent: { color: "blue" },
};

/** One `<Text>` per row: boxes per cell cost twice the time (reference: FACTS, CLI and TUI). */
export function PaintLine({ line }: { readonly line: Line }) {
  if (line.length === 0) return <Text> </Text>;
  return (
    <Text wrap="truncate">
      {line.map((part, at) => (
        // Spans have no identity of their own: their position is what they are.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <Text key={at} {...styleOf(part)}>
          {part.text}
        </Text>
      ))}
    </Text>
  );
}

const styleOf = ({ tone, bold, inverse }: Span) => ({
  ...STYLES[tone],
  ...(bold === true ? { bold } : {}),
  ...(inverse === true ? { inverse } : {}),
});
