/** At most `columns` terminal cells of a line (not code units), with an ellipsis when cut. */
export function cut(line: string, columns: number): string {
  if (Bun.stringWidth(line) <= columns) return line;
  let kept = "";
  for (const character of line) {
    if (Bun.stringWidth(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
