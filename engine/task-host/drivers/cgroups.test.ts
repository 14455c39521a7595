import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cgroups } from "./cgroups.ts";

/** Plain folders in the place of the kernel's: what is written where is all that can be seen. */

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nl-cgroups-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const resources = { cpuMillis: 500, memoryBytes: 64 * 1024 * 1024, pids: 10 };
const read = (...path: readonly string[]) => readFileSync(join(root, ...path), "utf8");

test("version 2: hands the controllers down and limits everything in one place", () => {
  writeFileSync(join(root, "cgroup.controllers"), "cpu memory pids");

  const task = Cgroups.open("h1", root)?.create("j.1", resources);

  for (const level of ["", "nl", "nl/h1"]) {
    expect(read(level, "cgroup.subtree_control")).toBe("+memory +cpu +pids");
  }
  const place = ["nl", "h1", "j.1"];
  expect(read(...place, "memory.max")).toBe("67108864");
  expect(read(...place, "memory.oom.group")).toBe("1");
  expect(read(...place, "cpu.max")).toBe("50000 100000");
  expect(read(...place, "pids.max")).toBe("14");
  expect(task?.joinFiles).toEqual([join(root, ...place, "cgroup.procs")]);
});

test("version 2: reads the kernel's marks", () => {
  writeFileSync(join(root, "cgroup.controllers"), "cpu memory pids");
  const task = Cgroups.open("h1", root)?.create("j.1", resources);
  const place = join(root, "nl", "h1", "j.1");
  writeFileSync(join(place, "memory.events"), "low 0\nmax 3\noom 1\noom_kill 2\n");
  writeFileSync(join(place, "memory.peak"), "4096\n");
  writeFileSync(join(place, "cgroup.procs"), "12\n13\n");

  expect(task?.usage()).toEqual({ oomKills: 2, peakMemoryBytes: 4096 });
  expect(task?.processes()).toEqual([12, 13]);
});

test("version 1: limits each controller in its own hierarchy", () => {
  for (const name of ["memory", "cpu", "pids"]) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, "cgroup.procs"), "");
  }

  const task = Cgroups.open("h1", root)?.create("j.1", resources);

  expect(read("memory", "nl", "h1", "j.1", "memory.limit_in_bytes")).toBe("67108864");
  expect(read("cpu", "nl", "h1", "j.1", "cpu.cfs_quota_us")).toBe("50000");
  expect(read("pids", "nl", "h1", "j.1", "pids.max")).toBe("14");
  expect(task?.joinFiles).toHaveLength(3);
});

test("without controllers there are no limits, and it says so", () => {
  expect(Cgroups.open("h1", root)).toBeNull();
});

test("its own group is not a task's", async () => {
  writeFileSync(join(root, "cgroup.controllers"), "cpu memory pids");
  const cgroups = Cgroups.open("h1", root);
  cgroups?.create("j.1", resources);
  mkdirSync(join(root, "nl", "h1", "host"));

  expect(await cgroups?.names()).toEqual(["j.1"]);
});
