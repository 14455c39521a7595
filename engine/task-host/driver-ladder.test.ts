import { expect, test } from "bun:test";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { err } from "../lib/result.ts";
import type { DriverStatus } from "../platform/task-host.ts";
import { DriverLadder, type DriverPolicy } from "./driver-ladder.ts";
import type { TaskDriver } from "./task-driver.ts";

type Works = boolean | "without-image";

const job = (spec: Partial<JobSpec> = {}): JobSpec => ({
  ...SPEC_DEFAULTS,
  ...{ name: "", command: ["true"], image: "", env: {}, labels: {} },
  ...spec,
});

function driver(name: DriverStatus["name"], works: Works): TaskDriver {
  const status = { name, usable: works !== false, detail: works ? "" : "absent", limits: [] };
  return {
    name,
    probe: async () => ({ status, runsUnnamed: works === true }),
    start: async () => err({ kind: "not-started", detail: "only chosen here" }),
    adopt: async () => null,
    remove: async () => undefined,
    sweep: async () => undefined,
  };
}

const ALLOWED: DriverPolicy = { choice: "auto", plainAllowed: true };

function ladder(works: Record<DriverStatus["name"], Works>, policy = ALLOWED): DriverLadder {
  const { docker, bubblewrap, unshare, plain } = works;
  const drivers = [
    driver("docker", docker),
    driver("bubblewrap", bubblewrap),
    driver("unshare", unshare),
    driver("plain", plain),
  ];
  return new DriverLadder(drivers, policy);
}

const ALL = { docker: true, bubblewrap: true, unshare: true, plain: true } as const;

async function chosen(steps: DriverLadder, spec: JobSpec): Promise<string> {
  const choice = await steps.choose(spec);
  return choice.ok ? choice.value.name : choice.error.kind;
}

test.each([
  ["docker when it is there", ALL, "docker"],
  ["bubblewrap without the default image", { ...ALL, docker: "without-image" }, "bubblewrap"],
  ["unshare without bubblewrap", { ...ALL, docker: false, bubblewrap: false }, "unshare"],
  [
    "plain as the last step",
    { docker: false, bubblewrap: false, unshare: false, plain: true },
    "plain",
  ],
] as const)("an ordinary job runs with %s", async (_name, works, expected) => {
  expect(await chosen(ladder(works), job())).toBe(expected);
});

test("plain is never taken where it is not allowed", async () => {
  const works = { docker: false, bubblewrap: false, unshare: false, plain: true };
  const steps = ladder(works, { choice: "auto", plainAllowed: false });

  const refusal = await steps.choose(job());

  expect(refusal).toMatchObject({ ok: false, error: { kind: "not-started" } });
  expect(await chosen(steps, job({ driver: "plain" }))).toBe("not-started");
});

test("a job that names an image never falls back", async () => {
  const steps = ladder({ ...ALL, docker: false });

  expect(await chosen(steps, job({ image: "python:3" }))).toBe("no-docker");
  expect(await chosen(steps, job({ image: "python:3", driver: "process" }))).toBe("not-started");
});

test("a named image needs no default image", async () => {
  const steps = ladder({ ...ALL, docker: "without-image" });

  expect(await chosen(steps, job({ image: "python:3" }))).toBe("docker");
  expect(await chosen(steps, job({ driver: "docker" }))).toBe("no-image");
});

test("the node's own choice bounds the job's", async () => {
  const steps = ladder(ALL, { choice: "process", plainAllowed: true });

  expect(await chosen(steps, job())).toBe("bubblewrap");
  expect(await chosen(steps, job({ driver: "docker" }))).toBe("no-docker");
  expect((await steps.statuses()).map(({ usable }) => usable)).toEqual([false, true, true, false]);
});

test("when nothing works the sentence says why for each step", async () => {
  const steps = ladder({ docker: false, bubblewrap: false, unshare: false, plain: false });

  const refusal = await steps.choose(job());

  expect(refusal.ok ? "" : refusal.error.detail).toContain("docker: absent; bubblewrap: absent");
});
