import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipped } from "../tests/support/harm.ts";
import { seeded } from "../tests/support/seeded.ts";
import { nodeAddressesPath, nodeAddressesText, readNodeAddresses } from "./node-addresses.ts";

const FLIPS = 200;
const ADDRESSES = { rpcAddress: "127.0.0.1:7171", httpAddress: "127.0.0.1:7181" };

const directory = mkdtempSync(join(tmpdir(), "nl-addresses-"));
afterAll(() => rmSync(directory, { recursive: true }));

const write = (text: string | Uint8Array): void =>
  writeFileSync(nodeAddressesPath(directory), text);

test("addresses come back as they were written, also without their checksum", () => {
  write(nodeAddressesText(ADDRESSES));
  expect(readNodeAddresses(directory)).toEqual({ ok: true, value: ADDRESSES });

  write(JSON.stringify(ADDRESSES));
  expect(readNodeAddresses(directory)).toEqual({ ok: true, value: ADDRESSES });
});

test("a file that was edited beside its checksum is refused with what to do", () => {
  write(nodeAddressesText(ADDRESSES).replace("7171", "7271"));

  expect(readNodeAddresses(directory)).toMatchObject({
    error: { code: "refused", message: expect.stringContaining('take its "check" out') },
  });
});

test(`${FLIPS} flipped bits never give another address`, () => {
  const draw = seeded(20_261_128);
  const text = new TextEncoder().encode(nodeAddressesText(ADDRESSES));
  for (let at = 0; at < FLIPS; at++) {
    const { what, bytes } = flipped(text, draw);
    write(bytes ?? "");
    const read = readNodeAddresses(directory);
    expect({ what, value: read.ok ? read.value : ADDRESSES }).toEqual({ what, value: ADDRESSES });
  }
});
