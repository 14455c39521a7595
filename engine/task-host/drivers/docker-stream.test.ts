import { expect, test } from "bun:test";
import { demultiplexer } from "./docker-stream.ts";

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(text.length, 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

const wire = Buffer.concat([frame(1, "one"), frame(2, ""), frame(2, "two"), frame(1, "three")]);

test.each([1, 2, 3, 7, 8, 9, 1000])(
  "puts frames together that arrive %d bytes at a time",
  (size) => {
    const seen = { stdout: "", stderr: "" };
    const take = demultiplexer((stream, bytes) => {
      seen[stream] += Buffer.from(bytes).toString();
    });

    for (let at = 0; at < wire.length; at += size) take(wire.subarray(at, at + size));

    expect(seen).toEqual({ stdout: "onethree", stderr: "two" });
  },
);
