import { expect, test } from "bun:test";
import { certificateUser, safeName } from "./user-name.ts";

test.each([
  ["alice", "alice"],
  ["Alice.Smith", "alice.smith"],
  ["DOMAIN\\bob", "domain-bob"],
  ["-_x_-", "x"],
  ["łukasz", "ukasz"],
  ["", "user"],
  ["日本", "user"],
  ["a".repeat(80), "a".repeat(60)],
])("%p stands in a certificate as %p", (name, safe) => {
  expect(safeName(name)).toBe(safe);
});

test("an environment without a name does not make an unknown user", () => {
  expect(certificateUser({})).not.toBe("unknown");
});
