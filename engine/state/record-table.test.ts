import { describe, expect, test } from "bun:test";
import { RecordTable } from "./record-table.ts";

type Row = { readonly id: string; readonly value: number };

describe("a table of records", () => {
  test("finds every record by its id, and goes through them in the order in which they came", () => {
    const table = new RecordTable<string, Row>();
    // Ids of all lengths, near and far; enough of them that every shard has grown several times.
    const ids = Array.from({ length: 40_000 }, (_, i) => (i % 7 === 0 ? `x${i}` : longId(i)));

    const places = ids.map((id, value) => table.set({ id, value }));

    expect(places).toEqual(ids.map((_, i) => i));
    expect(table.size).toBe(ids.length);
    expect(ids.map((id) => table.get(id)?.value)).toEqual(places);
    expect(ids.filter((id) => !table.has(id))).toEqual([]);
    expect([...table.keys()]).toEqual(ids);
    expect([...table.entries()][3]).toEqual([longId(3), { id: longId(3), value: 3 }]);
    expect([table.has("nobody"), table.get(""), table.get("x7.")]).toEqual([
      false,
      undefined,
      undefined,
    ]);
  });

  test("a record that is replaced keeps its place", () => {
    const table = new RecordTable<string, Row>();
    for (let value = 0; value < 2_000; value++) table.set({ id: `r${value}`, value });

    expect(table.set({ id: "r700", value: -1 })).toBe(700);

    expect(table.size).toBe(2_000);
    expect([table.at(700).value, table.get("r700")?.value]).toEqual([-1, -1]);
    expect([...table.values()].map(({ value }) => value).indexOf(-1)).toBe(700);
  });

  test("ids of one hash are told apart", () => {
    const table = new RecordTable<string, Row>();
    for (const [value, id] of SAME_HASH.entries()) {
      expect(table.get(id)).toBeUndefined();
      table.set({ id, value });
    }

    expect(SAME_HASH.map((id) => table.get(id)?.value)).toEqual([0, 1]);
  });
});

/** Found by search; they are worth a new search when the index hashes differently. */
const SAME_HASH = ["2lupb6f", "3lsifc1"];

const longId = (i: number): string => `${(i * 7919) % 100_003}`.padStart(12, "q");
