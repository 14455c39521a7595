/** The middle value; of an even count the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] ?? Number.NaN;
  const high = sorted[Math.ceil(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** `share` 0.99: the value that 99 % of the sorted values do not exceed. */
export function percentile(sorted: Float64Array, share: number): number {
  const at = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1);
  return sorted[Math.max(0, at)] ?? Number.NaN;
}

/** Columns as wide as their widest cell; the first one to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const pad = (cell: string, column: number): string => {
    const width = widths[column] ?? 0;
    return column === 0 ? cell.padEnd(width) : cell.padStart(width);
  };
  const lines = rows.map((row) => `| ${row.map(pad).join(" | ")} |`);
  const rule = `|${widths.map((width, at) => ruleCell(width, at)).join("|")}|`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

const ruleCell = (width: number, column: number): string =>
  column === 0 ? `:${"-".repeat(width + 1)}` : `${"-".repeat(width + 1)}:`;

export function rate(perSecond: number): string {
  return Number.isNaN(perSecond) ? "–" : Math.round(perSecond).toLocaleString("en");
}

export function millis(value: number): string {
  if (Number.isNaN(value)) return "–";
  return value < 10 ? value.toFixed(2) : value.toFixed(1);
}

export function ratio(value: number): string {
  if (Number.isNaN(value)) return "–";
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}×`;
}
