import { cleanLine } from "../engine/lib/clean-text.ts";
import { cut } from "./cut.ts";
import type { Invocation } from "./invocation.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

export type Column<Row> = {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Shown only with `-o wide`. */
  readonly isWide?: boolean;
  readonly alignRight?: boolean;
};

export type Printing<Row> = {
  readonly columns: readonly Column<Row>[];
  /** What json, jsonl and yaml show: plain data with stable names. */
  readonly data: (row: Row) => unknown;
  readonly name: (row: Row) => string;
};

const FORMATS = ["table", "wide", "json", "jsonl", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

export const isJsonFormat = (format: Format): boolean => format === "json" || format === "jsonl";

export function formatOf(invocation: Invocation): Format {
  if (invocation.isSet("quiet")) return "name";
  const wanted = invocation.text("output") ?? "table";
  const known = FORMATS.find((format) => format === wanted);
  if (known === undefined) {
    throw new UsageError(`unknown output format "${wanted}"`, `one of: ${FORMATS.join(", ")}`);
  }
  return known;
}

/** A list in the format that was asked for. An empty list is a result, not an error. */
export function printRows<Row>(
  rows: readonly Row[],
  { columns, data, name }: Printing<Row>,
  { invocation, world }: { readonly invocation: Invocation; readonly world: World },
): void {
  const format = formatOf(invocation);
  switch (format) {
    case "json":
      world.out(`${JSON.stringify(rows.map(data), null, 2)}\n`);
      return;
    case "jsonl":
      for (const row of rows) world.out(`${JSON.stringify(data(row))}\n`);
      return;
    case "yaml":
      world.out(`${Bun.YAML.stringify(rows.map(data), null, 2)}\n`);
      return;
    case "name":
      for (const row of rows) world.out(`${cleanLine(name(row))}\n`);
      return;
    default:
      printTable(
        rows,
        columns.filter((column) => format === "wide" || column.isWide !== true),
        world,
      );
  }
}

/** One record with the same formats; the table is a list of fields. */
export function printRecord(
  record: {
    readonly fields: readonly (readonly [string, string])[];
    readonly data: unknown;
    readonly name: string;
  },
  { invocation, world }: { readonly invocation: Invocation; readonly world: World },
): void {
  const format = formatOf(invocation);
  if (format === "json") world.out(`${JSON.stringify(record.data, null, 2)}\n`);
  else if (format === "jsonl") world.out(`${JSON.stringify(record.data)}\n`);
  else if (format === "yaml") world.out(`${Bun.YAML.stringify(record.data, null, 2)}\n`);
  else if (format === "name") world.out(`${cleanLine(record.name)}\n`);
  else {
    const width = Math.max(...record.fields.map(([label]) => label.length));
    for (const [label, value] of record.fields) {
      world.out(`${label.padEnd(width)}  ${cleanLine(value)}\n`);
    }
  }
}

function printTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  world: World,
): void {
  const cells = rows.map((row) => columns.map(({ value }) => cleanLine(value(row))));
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((line) => Bun.stringWidth(line[at] ?? ""))),
  );
  const draw = (line: readonly string[]) =>
    line
      .map((cell, at) => pad(cell, widths[at] ?? 0, columns[at]?.alignRight === true))
      .join("  ")
      .trimEnd();
  const lines = [columns.map(({ title }) => title), ...cells].map(draw);
  for (const line of lines) world.out(`${world.outIsTerminal ? cut(line, world.columns) : line}\n`);
}

function pad(cell: string, width: number, alignRight: boolean): string {
  const blank = " ".repeat(Math.max(0, width - Bun.stringWidth(cell)));
  return alignRight ? blank + cell : cell + blank;
}
