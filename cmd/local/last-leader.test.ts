import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientDirectory } from "./cluster-file.ts";
import { leaderFirst, rememberLeader } from "./last-leader.ts";

const ADDRESSES = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];
let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "nl-leader-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("without a memory, or a place for it, the order stays as it is", () => {
  rememberLeader(root, "127.0.0.1:3");
  expect(leaderFirst(root, ADDRESSES)).toEqual(ADDRESSES);
});

test("who led last is asked first, unless it does not run", () => {
  mkdirSync(clientDirectory(root));
  rememberLeader(root, "127.0.0.1:2");
  rememberLeader(root, "127.0.0.1:3");

  expect(leaderFirst(root, ADDRESSES)).toEqual(["127.0.0.1:3", "127.0.0.1:1", "127.0.0.1:2"]);
  expect(leaderFirst(root, ["127.0.0.1:1"])).toEqual(["127.0.0.1:1"]);
  expect(readdirSync(clientDirectory(root))).toEqual(["leader"]);
});
