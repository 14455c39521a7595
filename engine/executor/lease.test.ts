import { describe, expect, test } from "bun:test";
import type { Index } from "../lib/ids.ts";
import { Lease } from "./lease.ts";

const at = (index: number): Index => index as Index;

describe("a lease", () => {
  test("does not hold before the first grant", () => {
    expect(new Lease(15_000).mayAct(0, at(100))).toBe(false);
  });

  test("holds from the send time of the heartbeat, not from its answer", () => {
    const lease = new Lease(15_000);
    lease.grant({ sentAtMillis: 1_000, commitIndex: at(5) });

    expect(lease.mayAct(15_999, at(5))).toBe(true);
    expect(lease.mayAct(16_000, at(5))).toBe(false);
  });

  test("waits for the commit index that came with it", () => {
    const lease = new Lease(15_000);
    lease.grant({ sentAtMillis: 1_000, commitIndex: at(5) });

    expect(lease.mayAct(1_100, at(4))).toBe(false);
    expect(lease.isAhead).toBe(true);
    expect(lease.mayAct(1_200, at(5))).toBe(true);
    expect(lease.isAhead).toBe(false);
  });

  test("an older grant that is applied holds while a newer one is not", () => {
    const lease = new Lease(15_000);
    lease.grant({ sentAtMillis: 1_000, commitIndex: at(5) });
    lease.grant({ sentAtMillis: 3_000, commitIndex: at(50) });
    lease.grant({ sentAtMillis: 5_000, commitIndex: at(90) });

    expect(lease.mayAct(5_100, at(60))).toBe(true);
    expect(lease.mayAct(17_999, at(60))).toBe(true);
    expect(lease.mayAct(18_000, at(60))).toBe(false);
  });

  test("an answer that comes late does not shorten what a later one gave", () => {
    const lease = new Lease(15_000);
    lease.grant({ sentAtMillis: 3_000, commitIndex: at(5) });
    lease.grant({ sentAtMillis: 1_000, commitIndex: at(5) });

    expect(lease.mayAct(17_000, at(5))).toBe(true);
  });
});
