import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { applyEdit } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { OWN_MUTANTS } from "./own-mutants.ts";

const root = join(import.meta.dir, "../..");
const TABLE = [1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 17, 18, 19, 20, 23, 25, 26, 27, 29, 30, 32, 34];

describe("the mutants", () => {
  test("are those of the table and at least fifteen more, each once", () => {
    const ids = MUTANTS.map(({ id }) => id);

    expect(ids).toEqual([...new Set(ids)]);
    expect(ids).toEqual(expect.arrayContaining(TABLE.map((number) => `M${number}`)));
    expect(OWN_MUTANTS.length).toBeGreaterThanOrEqual(15);
  });

  test.each(MUTANTS.map((mutant) => [mutant.id, mutant] as const))(
    "%s finds its place",
    async (_, { edits }) => {
      for (const edit of edits) {
        const source = await Bun.file(join(root, edit.file)).text();
        expect(applyEdit(source, edit)).not.toBe(source);
      }
    },
  );

  test("whose place is gone, or there twice, fail loudly", () => {
    const edit = { file: "a.ts", find: "x", replace: "y" };

    expect(() => applyEdit("none", edit)).toThrow("0 places in a.ts");
    expect(() => applyEdit("x and x", edit)).toThrow("2 places in a.ts");
    expect(applyEdit("one x", edit)).toBe("one y");
  });
});
