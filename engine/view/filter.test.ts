import { expect, test } from "bun:test";
import { matches, parseFilter } from "./filter.ts";

const job = { id: "01j9xk5ab2c3", name: "train-shard-23", state: "running", nodeId: "n1" };

test.each([
  ["", true],
  ["state:running", true],
  ["state:running,failed", true],
  ["state:failed", false],
  ["node:n1 name:train", true],
  ["node:n2", false],
  ["shard 01j9", true],
  ["id:01j9", true],
  ["etl", false],
])("the filter %p matches: %p", (text, expected) => {
  const filter = parseFilter(text);

  expect(filter.ok && matches(filter.value, job)).toBe(expected);
});

test.each([
  ["state:faild", 'unknown state "faild": did you mean "failed"?'],
  ["sate:failed", 'unknown filter "sate": did you mean "state"?'],
])("refuses %p with a suggestion", (text, sentence) => {
  expect(parseFilter(text)).toEqual({ ok: false, error: sentence });
});
