import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId } from "../lib/ids.ts";
import { SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { bootMillis } from "./boot-clock.ts";
import { DriverLadder } from "./driver-ladder.ts";
import { Journal } from "./journal.ts";
import { LeaseFile } from "./lease-file.ts";
import { Tasks } from "./tasks.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nl-tasks-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a task whose folder cannot be made is refused, so that its attempt can be cancelled", async () => {
  const journal = await Journal.open(join(folder, "tasks.journal"));
  if (!journal.ok) throw new Error(journal.error.detail);
  const ladder = new DriverLadder([], { choice: "plain", plainAllowed: true });
  const leaseFile = new LeaseFile(join(folder, "lease.json"));
  const tasks = new Tasks({
    folder,
    journal: journal.value,
    ladder,
    leaseFile,
    hasRoom: () => true,
  });
  tasks.renew({ sentAtBootMillis: bootMillis(), termAfterMillis: 9_000, killAfterMillis: 9_000 });
  writeFileSync(join(folder, "tasks"), "in the way");
  const spec = { ...SPEC_DEFAULTS, name: "", command: ["x"], image: "", env: {}, labels: {} };

  const started = await tasks.start({
    ...{ attemptId: "testtesttest.1" as AttemptId, fence: 1, clusterId: "c", spec },
  });

  expect(started).toMatchObject({ ok: false, error: { kind: "refused" } });
  expect(tasks.list()).toEqual([]);
  expect(journal.value.tasks.size).toBe(0);
});
