import { Box, useInput, usePaste, useWindowSize } from "ink";
import { useSyncExternalStore } from "react";
import { frame } from "../engine/view/frame.ts";
import { keysOf } from "./keys.ts";
import { PaintLine } from "./paint-line.tsx";
import type { TopStore } from "./store.ts";

/** Draws what the view says, and hands keys to it. Decides nothing. */
export function Screen({ store }: { readonly store: TopStore }) {
  useSyncExternalStore(store.subscribe, store.version);
  const { columns, rows } = useWindowSize();
  useInput((input, key) => {
    for (const name of keysOf(input, key)) store.press(name);
  });
  usePaste((text) => store.paste(text));
  const lines = frame({
    model: store.model,
    ui: store.ui,
    size: { columns, rows },
    now: Date.now(),
  });
  return (
    <Box flexDirection="column" height={rows} overflow="hidden">
      {lines.map((line, at) => (
        // A row of the screen is its position.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <PaintLine key={at} line={line} />
      ))}
    </Box>
  );
}
