import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseSpecDocument } from "./spec-document.ts";

function fault(text: string): string {
  const result = parseSpecDocument(text);
  return result.ok ? "accepted" : result.error.message;
}

describe("parseSpecDocument", () => {
  test("YAML and JSON of the same document are the same", () => {
    const yaml = "run: echo hi\nenv:\n  A: '1'\nretries: {count: 2, on_exit: [1, 2]}\n";
    const json = '{"run":"echo hi","env":{"A":"1"},"retries":{"count":2,"on_exit":[1,2]}}';

    expect(parseSpecDocument(yaml)).toEqual(parseSpecDocument(json));
    expect(parseSpecDocument(yaml).ok).toBe(true);
  });

  test.each([
    "# a comment\n---\nrun: echo hi # a: 1\n",
    "run: |\n  a: 1\n  a: 2\n\n  b: &x *y\nname: x\n",
    "run: >-\n  folded\n  text: here\nname: x",
    "run: echo one\n  * two\n  three\nname: x",
    'run: "echo \\"a: b\\""\nname: x',
    "run: 'it''s: fine'\nname: x",
    "run: curl http://x:80/y\nname: x",
    "command:\n- sh\n- -c\n- |\n  a: 1\n  a: 2\nname: x",
    "command: [sh, -c, it's, 'a: b']\nname: x",
    "jobs:\n- run: a\n  name: x\n- run: b\n  name: x\n",
    "env:\n  A: '1'\nlabels:\n  A: '2'\n",
    "run: x\r\nname: y\r\n",
    "\uFEFFrun: x\n",
    "env: {A: http://x:80, B: 'y'} # end\nname: x",
  ])("%j is read", (text) => {
    expect(fault(text)).toBe("accepted");
  });

  test.each([
    ["run: a\nrun: b", 'line 2 has the key "run" twice'],
    ['run: a\n"run": b', "line 2 has the key"],
    ["env:\n  A: '1'\n  A: '2'", "line 3 has the key"],
    ["env: {A: '1', A: '2'}", "has the key"],
    ["command: [sh, {a: 1, 'a': 2}]", "has the key"],
    ['{"run":"a","run":"b"}', "has the key"],
    ['{"run":"a","r\\u0075n":"b"}', "has the key"],
    ['{"env":{"A":"1"},"labels":[{"x":1,"x":2}]}', "has the key"],
    ["run: |\n  a\nrun: b", "line 3 has the key"],
    ["run: 'a\n  b'\nrun: c", "line 3 has the key"],
    ["jobs:\n- run: a\n  run: b", "line 3 has the key"],
    ["a: &x [1]\nb: 2", "anchors"],
    ["a: [&x 1]", "anchors"],
    ["a: [*x]", "anchors"],
    ["a: {b: *x}", "anchors"],
    ["a:\n  - *x", "anchors"],
    ["&x a: 1", "anchors"],
    ["a: !!str 1", "tag"],
    ["? a\n: 1", "complex key"],
    ["run: a\n---\nrun: b", "another document"],
    ["--- {run: a}", "another document"],
    ["run: a\n...\nrun: b", "another document"],
    ["%YAML 1.2\n---\nrun: a", "another document"],
    ["run: 'a", "quote that does not end"],
    ["run: a\0b", "NUL"],
    ["", "empty"],
    ["  \n", "empty"],
    ["{", "not valid JSON"],
    ["a: b: c", "not valid YAML"],
    ["\ta: 1", "not valid YAML"],
  ])("%j is refused", (text, words) => {
    expect(fault(text)).toContain(words);
  });

  test.each([
    ["JSON lists", "[".repeat(100_000)],
    ["JSON mappings", '{"a":'.repeat(50_000)],
    ["YAML dashes", "- ".repeat(50_000)],
    ["YAML mappings", Array.from({ length: 200 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    ["YAML brackets", `a: ${"[".repeat(100_000)}`],
  ])("%s nested without end are refused", (_, text) => {
    expect(fault(text)).toContain("nested deeper than 32 levels");
  });

  test("a document over 256 KiB is refused before it is read", () => {
    expect(fault(`run: ${"x".repeat(256 * 1024)}`)).toContain("larger than 256 KiB");
  });

  test("whatever JSON can say is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (value) => {
        const text = JSON.stringify(value, null, 2);

        const result = parseSpecDocument(text);

        expect(result).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  test("a YAML mapping is read whole, and refused as soon as one of its keys is repeated", () => {
    const key = fc.stringMatching(/^[a-z]{1,8}$/);
    const scalar = fc.oneof(
      fc.string().map((text) => JSON.stringify(text)),
      fc.stringMatching(/^[a-z][a-z :/#-]{0,12}[a-z]$/).filter((text) => !/: | #/.test(text)),
      fc.constantFrom("[a, b]", "{x: 1, y: 2}", "|\n  one: 1\n  one: 2", "'it''s'", "12"),
    );
    const mapping = fc.uniqueArray(fc.tuple(key, scalar), {
      minLength: 1,
      maxLength: 8,
      selector: ([name]) => name,
    });
    fc.assert(
      fc.property(mapping, fc.nat(), (pairs, which) => {
        const lines = pairs.map(([name, text]) => `${name}: ${text}`);
        const repeated = pairs[which % pairs.length]?.[0] ?? "";

        const result = parseSpecDocument(lines.join("\n"));

        expect(result.ok ? Object.keys(Object(result.value)) : result).toEqual(
          pairs.map(([name]) => name),
        );
        expect(fault([...lines, `${repeated}: again`].join("\n"))).toContain("twice");
      }),
    );
  });

  test("any text is answered, never thrown at", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(typeof parseSpecDocument(text).ok).toBe("boolean");
      }),
    );
  });
});
