import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipped } from "../../../tests/support/harm.ts";
import { seeded } from "../../../tests/support/seeded.ts";
import type { OutputChunk } from "../../platform/output-reader.ts";
import { TaskOutput } from "./task-output.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nl-output-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const all = { offset: 0, tailBytes: 0, follow: false, signal: new AbortController().signal };

async function collect(chunks: AsyncIterable<OutputChunk>): Promise<OutputChunk[]> {
  const list: OutputChunk[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return list;
}

const text = (chunks: readonly OutputChunk[]) =>
  chunks.map(({ stream, data }) => `${stream}:${new TextDecoder().decode(data)}`);

test("keeps both streams in the order they were written", async () => {
  const output = new TaskOutput(folder, 1024);

  output.write("stdout", bytes("one "));
  output.write("stderr", bytes("two "));
  output.write("stdout", bytes("three "));
  output.write("stdout", bytes("four"));
  output.complete();

  const chunks = await collect(output.read(all));
  expect(text(chunks)).toEqual(["stdout:one ", "stderr:two ", "stdout:three four", "none:"]);
  expect(chunks.map(({ offset }) => offset)).toEqual([0, 4, 8, 18]);
  expect(chunks.at(-1)?.complete).toBe(true);
  expect(output.totals).toEqual({ stdout: 14, stderr: 4 });
});

test("keeps the first and the last bytes of each stream and says how many are missing", async () => {
  const output = new TaskOutput(folder, 10);
  for (let i = 0; i < 100; i++) output.write("stdout", bytes(`${i}`.padStart(3, "0")));
  output.write("stderr", bytes("end"));
  output.complete();

  const chunks = await collect(output.read(all));

  const joined = chunks.map(({ data }) => new TextDecoder().decode(data)).join("");
  expect(joined.startsWith("0000010020")).toBe(true);
  expect(joined.endsWith("096097098099end")).toBe(true);
  const skipped = chunks.reduce((sum, chunk) => sum + chunk.skippedBytes, 0);
  expect(skipped + joined.length).toBe(303);
  expect(output.totals).toEqual({ stdout: 300, stderr: 3 });
});

test("a flood on one stream does not push out the other's end", async () => {
  const output = new TaskOutput(folder, 1000);
  output.write("stderr", bytes("the reason"));
  for (let i = 0; i < 1000; i++) output.write("stdout", bytes("y".repeat(1000)));
  output.complete();

  const chunks = await collect(output.read(all));

  expect(text(chunks)[0]).toBe("stderr:the reason");
  const size = readdirSync(folder).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );
  expect(size).toBeLessThan(5000);
});

test("reads only the tail, from inside a piece", async () => {
  const output = new TaskOutput(folder, 1024);
  output.write("stdout", bytes("0123456789"));

  const chunks = await collect(output.read({ ...all, tailBytes: 4 }));

  expect(text(chunks)).toEqual(["stdout:6789", "none:"]);
  expect(chunks[0]?.skippedBytes).toBe(0);
});

test("a follower sees what is written later, and the end", async () => {
  const output = new TaskOutput(folder, 1024);
  output.write("stdout", bytes("a"));
  const following = output.read({ ...all, follow: true });

  const first = await following.next();
  const second = following.next();
  output.write("stderr", bytes("b"));
  const seen = await second;
  const last = following.next();
  output.complete();

  expect(text([first.value, seen.value] as OutputChunk[])).toEqual(["stdout:a", "stderr:b"]);
  expect((await last).value).toMatchObject({ offset: 2, complete: true });
});

test("a follower that is overtaken goes on with the oldest that is left", async () => {
  const output = new TaskOutput(folder, 10);
  output.write("stdout", bytes("0123456789abcde"));
  const following = output.read({ ...all, follow: true });
  const first: OutputChunk = (await following.next()).value;

  for (let i = 0; i < 50; i++) output.write("stdout", bytes("0123456789"));
  output.complete();
  const rest = await collect(following);

  const got = [first, ...rest].reduce((sum, it) => sum + it.data.length + it.skippedBytes, 0);
  expect(got).toBe(515);
  expect(rest.some(({ skippedBytes }) => skippedBytes > 0)).toBe(true);
});

test("counts what a disk without room does not keep, and says so", async () => {
  let hasRoom = true;
  const output = new TaskOutput(folder, 100, () => hasRoom);
  output.write("stdout", bytes("kept "));
  hasRoom = false;
  output.write("stdout", bytes("lost "));
  hasRoom = true;
  output.write("stdout", bytes("kept again"));
  output.complete();

  const chunks = await collect(output.read(all));

  expect(text(chunks)).toEqual(["stdout:kept ", "stdout:kept again", "none:"]);
  expect(chunks.reduce((sum, { skippedBytes }) => sum + skippedBytes, 0)).toBe(5);
  expect(output.totals.stdout).toBe(20);
});

test("ends silently when the reader gives up", async () => {
  const output = new TaskOutput(folder, 10);
  const abort = new AbortController();
  const following = collect(output.read({ ...all, follow: true, signal: abort.signal }));

  abort.abort();

  expect(await following).toEqual([]);
});

test("a host that follows finds the output and goes on counting", async () => {
  const before = new TaskOutput(folder, 10);
  for (let i = 0; i < 10; i++) before.write("stdout", bytes("0123456789"));
  before.write("stderr", bytes("x"));

  const after = new TaskOutput(folder, 10);
  after.recover();
  after.write("stdout", bytes("later"));
  after.complete();

  expect(after.totals).toEqual({ stdout: 105, stderr: 1 });
  const chunks = await collect(after.read(all));
  expect(text(chunks).slice(-3)).toEqual(["stderr:x", "stdout:later", "none:"]);
  expect(chunks.at(-1)?.offset).toBe(106);
});

test("bytes stay bytes", async () => {
  const output = new TaskOutput(folder, 1024);
  const raw = new Uint8Array([0xff, 0x00, 0xc3, 0x28]);

  output.write("stdout", raw);

  const [chunk] = await collect(output.read(all));
  expect([...(chunk?.data ?? [])]).toEqual([0xff, 0x00, 0xc3, 0x28]);
});

test("keeps nothing when asked to, and still counts", async () => {
  const output = new TaskOutput(folder, 0);
  output.write("stdout", bytes("gone"));
  output.complete();

  const chunks = await collect(output.read(all));

  expect(chunks).toMatchObject([{ offset: 4, skippedBytes: 4, complete: true }]);
});

const FLIPS = 200;

test(`passes nothing else for what was written over ${FLIPS} flipped bits, and says what is missing`, async () => {
  const written = outputInFiles();
  const whole = await recovered(written.length);
  const files = readdirSync(folder).map((name) => join(folder, name));
  const draw = seeded(20_261_128);
  for (const path of files) {
    const original = new Uint8Array(readFileSync(path));
    if (original.length === 0) continue;
    for (let one = 0; one < FLIPS; one++) {
      const { what, bytes: harmed } = flipped(original, draw);
      writeFileSync(path, harmed ?? "");

      const found = await recovered(written.length);

      const wrong = findWrong(written, found);
      expect(`${path} ${what}: ${wrong}`).toBe(`${path} ${what}: `);
      expect(bytesOf(found)).toBeLessThan(bytesOf(whole));
    }
    writeFileSync(path, original);
  }
});

/** What was written, byte by byte: the two streams use different letters. */
function outputInFiles(): string {
  const output = new TaskOutput(folder, 60);
  let written = "";
  for (let line = 0; line < 60; line++) {
    const [stream, piece] =
      line % 3 === 0 ? (["stderr", `E${line} `] as const) : (["stdout", `o${line} `] as const);
    output.write(stream, bytes(piece));
    written += piece;
  }
  output.complete();
  return written;
}

/** As the next host reads it. */
async function recovered(writtenBytes: number): Promise<readonly OutputChunk[]> {
  const output = new TaskOutput(folder, 0);
  output.recover(writtenBytes);
  output.complete();
  return await collect(output.read(all));
}

const bytesOf = (chunks: readonly OutputChunk[]): number =>
  chunks.reduce((sum, { data }) => sum + data.length, 0);

/** Empty: every byte is in its place and of its stream, or is counted as not kept. */
function findWrong(written: string, chunks: readonly OutputChunk[]): string {
  let position = 0;
  for (const { offset, skippedBytes, data, stream } of chunks) {
    if (offset !== position + skippedBytes) return `${offset} follows ${position}`;
    const piece = new TextDecoder().decode(data);
    if (written.slice(offset, offset + data.length) !== piece) return `"${piece}" at ${offset}`;
    if (stream !== "none" && /E/.test(piece) !== (stream === "stderr"))
      return `${stream}: ${piece}`;
    position = offset + data.length;
  }
  return position === written.length ? "" : `ends at ${position}`;
}
