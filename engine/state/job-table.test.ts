import { describe, expect, test } from "bun:test";
import type { JobId } from "../lib/ids.ts";
import { JobTable } from "./job-table.ts";
import { SubmitOrder } from "./submit-order.ts";

describe("the table of jobs", () => {
  test("finds every job by its id, and goes through them in the order of submission", () => {
    const order = new SubmitOrder();
    const table = new JobTable<number>(order);
    const ids = Array.from(
      { length: 5_000 },
      (_, i) => (i % 7 === 0 ? `x${i}` : `${(i * 7919) % 100_003}`.padStart(12, "q")) as JobId,
    );

    ids.forEach((id, i) => {
      order.append(id);
      table.set(id, i);
    });
    table.set(ids[3] as JobId, -3);

    expect(table.size).toBe(5_000);
    expect(ids.map((id) => table.get(id))).toEqual(ids.map((_, i) => (i === 3 ? -3 : i)));
    expect([...table.keys()]).toEqual(ids);
    expect([...table.entries()][3]).toEqual([ids[3] as JobId, -3]);
    expect([table.has("nobody" as JobId), table.get("" as JobId)]).toEqual([false, undefined]);
  });
});
