/** Breaks text between words into lines of at most `columns`; a longer word stands alone. */
export function wrap(text: string, { columns }: { readonly columns: number }): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > columns && line !== "") {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
