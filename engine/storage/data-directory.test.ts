import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NodeId, PeerId } from "../lib/ids.ts";
import {
  createClusterDirectories,
  initDataDirectory,
  initJoinedDirectory,
  publishDirectory,
  readIdentity,
} from "./data-directory.ts";
import { hardState, job, logIn, must, newNode, openLogIn, Scratch } from "./log-fixture.ts";

let scratch: Scratch;

beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.remove());

const IDENTITY = {
  clusterId: "cluster-a",
  nodeId: "n1" as NodeId,
  peerId: 1 as PeerId,
  storeId: "store-of-n1",
};

describe("a node's directory", () => {
  test("says whose it is, at rest, while its node runs, and without its mark", () => {
    const atRest = readIdentity(scratch.directory);
    const log = openLogIn(scratch.directory);
    const running = readIdentity(scratch.directory);
    must(log.close());
    rmSync(join(scratch.directory, "mark"));
    const withoutMark = readIdentity(scratch.directory);

    for (const identity of [atRest, running, withoutMark]) {
      expect(identity).toEqual({ ok: true, value: IDENTITY });
    }
  });

  test("holds private files only", () => {
    expect(readdirSync(scratch.directory).sort()).toEqual(["log.sqlite", "mark", "snapshots"]);
    expect(statSync(scratch.directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(scratch.directory, "log.sqlite")).mode & 0o777).toBe(0o600);
  });

  test("is not made over another node's data", () => {
    const again = initDataDirectory({ ...newNode("n2"), directory: scratch.directory });

    expect(again).toMatchObject({ ok: false, error: { kind: "foreign" } });
    expect(must(readIdentity(scratch.directory)).nodeId).toBe("n1" as NodeId);
  });

  test("that is empty or not there is nobody's", () => {
    expect(readIdentity(scratch.root)).toMatchObject({ error: { kind: "foreign" } });
    expect(readIdentity(join(scratch.root, "nowhere"))).toMatchObject({
      error: { kind: "foreign" },
    });
  });
});

describe("the directory of a node that has joined", () => {
  test("begins with an empty, whole log, and installs what it is sent", () => {
    const directory = join(scratch.root, "n4");
    must(initJoinedDirectory({ ...IDENTITY, nodeId: "n4" as NodeId, directory }));
    const { snapshot } = newNode("n1");

    const log = logIn(directory);
    const before = must(log.boot());
    must(log.write([job({ hardState: hardState(1, 0, 1), snapshot })]));
    must(log.close());
    const again = logIn(directory);
    const after = must(again.boot());
    must(again.close());

    expect(before).toMatchObject({ snapshot: null, lastIndex: 0, damaged: false });
    expect(after).toMatchObject({ snapshot, lastIndex: 1, damaged: false });
  });

  test("appears at once, and never over something else", () => {
    const staging = join(scratch.root, ".n4.joining");
    must(initJoinedDirectory({ ...IDENTITY, directory: staging }));

    expect(publishDirectory(staging, scratch.directory)).toMatchObject({
      error: { kind: "foreign" },
    });
    must(publishDirectory(staging, join(scratch.root, "n4")));

    expect(existsSync(staging)).toBe(false);
    expect(must(readIdentity(join(scratch.root, "n4"))).nodeId).toBe("n1" as NodeId);
  });
});

describe("the directories of a new cluster", () => {
  const nodes = [newNode("n1"), newNode("n2"), newNode("n3")];

  test("appear at once, with what the caller adds", async () => {
    const directory = join(scratch.root, "clusters", "blue");
    const seen: boolean[] = [];

    const created = await createClusterDirectories({
      directory,
      nodes,
      populate: async (staging) => {
        seen.push(existsSync(directory));
        await writeFile(join(staging, "n2", "extra"), "more");
      },
    });

    must(created);
    expect(seen).toEqual([false]);
    expect(readdirSync(directory).sort()).toEqual(["n1", "n2", "n3"]);
    expect(existsSync(join(directory, "n2", "extra"))).toBe(true);
    expect(must(readIdentity(join(directory, "n3"))).storeId).toBe("store-of-n3");
    expect(readdirSync(join(scratch.root, "clusters"))).toEqual(["blue"]);
    must(openLogIn(join(directory, "n1")).close());
  });

  test("may take the place of an empty directory, and of no other", async () => {
    const directory = join(scratch.root, "green");
    mkdirSync(directory);

    const first = await createClusterDirectories({ directory, nodes });
    const second = await createClusterDirectories({ directory, nodes });

    must(first);
    expect(second).toMatchObject({ ok: false, error: { kind: "foreign" } });
  });

  test("leave nothing behind when the caller's part fails", async () => {
    const directory = join(scratch.root, "red");

    const failing = createClusterDirectories({
      directory,
      nodes,
      populate: () => Promise.reject(new Error("no certificate")),
    });

    await expect(failing).rejects.toThrow("no certificate");
    expect(readdirSync(scratch.root)).toEqual(["n1"]);
  });
});
