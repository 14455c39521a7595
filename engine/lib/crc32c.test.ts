import { describe, expect, test } from "bun:test";
import { crc32c } from "./crc32c.ts";

describe("crc32c", () => {
  test("gives the published check values", () => {
    const check = new TextEncoder().encode("123456789");

    expect(crc32c(0, check)).toBe(0xe3069283);
    expect(crc32c(0, new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(0, new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(0, new Uint8Array(0))).toBe(0);
  });

  test("continues where it stopped, at every cut", () => {
    const bytes = new Uint8Array(41).map((_, at) => at * 37);

    for (let cut = 0; cut <= bytes.length; cut++) {
      const first = crc32c(0, bytes.subarray(0, cut));
      expect(crc32c(first, bytes.subarray(cut))).toBe(crc32c(0, bytes));
    }
  });
});
