import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { parseJobSpec } from "./job-spec-schema.ts";
import type { SpecError } from "./spec-error.ts";
import { validateSpec } from "./spec-rules.ts";

const MIB = 1024 * 1024;

function accepted(document: unknown): JobSpec {
  const result = parseJobSpec(document);
  if (!result.ok) throw new Error(`${result.error.field} ${result.error.message}`);
  return result.value;
}

function refused(document: unknown): SpecError {
  const result = parseJobSpec(document);
  if (result.ok) throw new Error("the document was accepted");
  return result.error;
}

describe("parseJobSpec", () => {
  test("a shell line is all it takes", () => {
    expect(accepted({ run: "echo hello" })).toEqual({
      ...SPEC_DEFAULTS,
      retries: { ...SPEC_DEFAULTS.retries, onExit: [], notOnExit: [] },
      name: "echo",
      command: ["sh", "-ec", "echo hello"],
      image: "",
      env: {},
      labels: {},
    });
  });

  test("every field can be said", () => {
    const document = {
      name: "nightly",
      command: ["python3", "-c", "print()"],
      image: "registry.example:5000/team/python:3.12",
      driver: "docker",
      env: { TZ: "Europe/Paris" },
      resources: { cpu: "500m", memory: "256Mi", pids: 64 },
      timeout: "1h30m",
      start_timeout: "5m",
      kill_grace: "3s",
      retries: { count: 3, backoff: "30s", max_backoff: "10m", on_exit: [1, 2], not_on_exit: [3] },
      on_lost: "wait",
      once: false,
      priority: 60,
      labels: { team: "finance" },
      output_keep: "1Mi",
    };

    expect(accepted(document)).toEqual({
      name: "nightly",
      command: ["python3", "-c", "print()"],
      image: "registry.example:5000/team/python:3.12",
      driver: "docker",
      env: { TZ: "Europe/Paris" },
      resources: { cpuMillis: 500, memoryBytes: 256 * MIB, pids: 64 },
      timeoutMillis: 5_400_000,
      startTimeoutMillis: 300_000,
      killGraceMillis: 3_000,
      retries: {
        count: 3,
        backoffMillis: 30_000,
        maxBackoffMillis: 600_000,
        onExit: [1, 2],
        notOnExit: [3],
      },
      onLost: "wait",
      once: false,
      priority: 60,
      labels: { team: "finance" },
      outputKeepBytes: MIB,
    });
  });

  test("retries may be a number", () => {
    expect(accepted({ run: "x", retries: 2 }).retries).toMatchObject({
      count: 2,
      backoffMillis: 5_000,
    });
  });

  test.each([
    [{ command: ["/usr/bin/env", "true"] }, "env"],
    [{ run: "  ./build.sh --all" }, "build.sh"],
    [{ run: "$(echo x)" }, "job"],
    [{ name: "mine", run: "x" }, "mine"],
  ])("%j is named %s", (document, name) => {
    expect(accepted(document).name).toBe(name);
  });

  test.each<[unknown, string, string]>([
    [{ run: "x", tiemout: "1h" }, "tiemout", "did you mean timeout?"],
    [{ run: "x", retries: { cuont: 1 } }, "retries.cuont", "did you mean count?"],
    [{ run: "x", resources: { memroy: "1Gi" } }, "resources.memroy", "did you mean memory?"],
    [{ run: "x", memory: "1Gi" }, "memory", "did you mean resources.memory?"],
    [{ cmd: ["x"] }, "cmd", "did you mean command?"],
    [{ run: "x", toString: "y" }, "toString", "known fields: "],
    [{ run: "x", driver: "dokcer" }, "driver", "did you mean docker?"],
    [{ command: ["sleep", 30] }, "command.1", 'quote it: "30"'],
    [{ run: "x", env: { PORT: 80 } }, "env.PORT", 'quote it: "80"'],
    [{ run: "x", timeout: "30" }, "timeout", ""],
    [{ run: "x", timeout: 30 }, "timeout", "30s? plain numbers are milliseconds"],
    [{}, "command", "run: echo hello"],
    [{ run: "x", command: ["x"] }, "run", "keep one of command and run"],
    [{ run: " " }, "run", "run: echo hello"],
    [{ command: [] }, "command", 'command: ["echo", "hello"]'],
    [{ command: ["", "x"] }, "command", 'command: ["echo", "hello"]'],
    [[], "", "run: echo hello"],
    [null, "", "run: echo hello"],
    ["echo", "", "run: echo hello"],
    [{ run: "x", once: true, retries: 1 }, "retries", "remove retries"],
  ])("%j names the field and what to write instead", (document, field, suggestion) => {
    const error = refused(document);

    expect(error.field).toBe(field);
    expect(error.suggestion).toStartWith(suggestion);
    expect(error.message).not.toBe("");
  });

  test("a key that would poison an object is refused, wherever it stands", () => {
    const text = '{"run":"x","env":{"__proto__":{"A":"1"}}}';

    expect(refused(JSON.parse(text)).field).toBe("env.__proto__");
    expect(refused(JSON.parse('{"__proto__":{"run":"x"}}')).field).toBe("__proto__");
  });

  test("whatever comes, the answer is a spec or an error", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (anything) => {
        expect(typeof parseJobSpec(anything).ok).toBe("boolean");
        expect(typeof parseJobSpec({ run: "x", retries: anything, env: anything }).ok).toBe(
          "boolean",
        );
      }),
    );
  });

  test("nesting without end is refused, not followed", () => {
    let deep: unknown = "x";
    for (let level = 0; level < 100_000; level++) deep = { a: deep };

    expect(refused({ run: "x", env: deep }).message).toContain("nested deeper");
  });
});

describe("validateSpec", () => {
  const base = accepted({ run: "true" });
  const long = (length: number): string => "x".repeat(length);

  const RETRY = base.retries;
  const ROOM = base.resources;

  test.each<[string, Partial<JobSpec>]>([
    ["command", { command: [] }],
    ["command", { command: ["  "] }],
    ["command", { command: ["echo", "a\0b"] }],
    ["command", { command: ["echo", "\ud800"] }],
    ["command", { command: ["echo", long(64 * 1024)] }],
    ["name", { name: long(129) }],
    ["name", { name: "a\nb" }],
    ["name", { name: "bad\uFFFDutf8" }],
    ["name", { name: "nul\0" }],
    ["image", { image: "--privileged" }],
    ["image", { image: "-v/:/h" }],
    ["image", { image: "a b" }],
    ["image", { image: "../x" }],
    ["image", { image: "Alpine" }],
    ["image", { image: "alpine:" }],
    ["image", { image: "alpine@sha256:12" }],
    ["image", { image: "a//b" }],
    ["image", { image: long(256) }],
    ["driver", { image: "alpine", driver: "process" }],
    ["env.1A", { env: { "1A": "x" } }],
    ["env.A=B", { env: { "A=B": "x" } }],
    ["env.", { env: { "": "x" } }],
    ["env.NL_JOB_ID", { env: { NL_JOB_ID: "x" } }],
    ["env.LD_PRELOAD", { env: { LD_PRELOAD: "x" } }],
    ["env.DOCKER_HOST", { env: { DOCKER_HOST: "x" } }],
    ["env.BASH_ENV", { env: { BASH_ENV: "x" } }],
    ["env.A", { env: { A: "a\0" } }],
    ["labels.a b", { labels: { "a b": "x" } }],
    ["labels.a", { labels: { a: "x\u001b[0m" } }],
    ["labels.a", { labels: { a: long(256) } }],
    ["resources.cpu", { resources: { ...ROOM, cpuMillis: 0 } }],
    ["resources.cpu", { resources: { ...ROOM, cpuMillis: Number.NaN } }],
    ["resources.cpu", { resources: { ...ROOM, cpuMillis: 1e9 } }],
    ["resources.memory", { resources: { ...ROOM, memoryBytes: 1 } }],
    ["resources.memory", { resources: { ...ROOM, memoryBytes: 2 ** 50 } }],
    ["resources.pids", { resources: { ...ROOM, pids: 0 } }],
    ["timeout", { timeoutMillis: 0 }],
    ["timeout", { timeoutMillis: -1 }],
    ["timeout", { timeoutMillis: 1e12 }],
    ["start_timeout", { startTimeoutMillis: 0 }],
    ["kill_grace", { killGraceMillis: 3_600_000 }],
    ["retries.count", { retries: { ...RETRY, count: -1 } }],
    ["retries.count", { retries: { ...RETRY, count: 1.5 } }],
    ["retries.backoff", { retries: { ...RETRY, backoffMillis: 1e12 } }],
    ["retries.on_exit", { retries: { ...RETRY, onExit: [0] } }],
    ["retries.on_exit", { retries: { ...RETRY, onExit: [2], notOnExit: [2] } }],
    ["retries.not_on_exit", { retries: { ...RETRY, notOnExit: [256] } }],
    ["priority", { priority: 101 }],
    ["priority", { priority: -1 }],
    ["output_keep", { outputKeepBytes: 65 * MIB }],
    ["", { env: { A: long(128 * 1024) } }],
  ])("the server refuses %s of %j", (field, change) => {
    const result = validateSpec({ ...base, ...change });

    expect(result.ok ? "accepted" : result.error.field).toBe(field);
  });

  test.each([
    "alpine",
    "alpine:3.20",
    "library/alpine",
    "ghcr.io/owner/name:tag",
    "localhost/x",
    "localhost:5000/x/y_z/a-b.c",
    "Registry.Example.com/x",
    `alpine@sha256:${"a".repeat(64)}`,
    `alpine:3@sha256:${"0".repeat(64)}`,
    "a__b/c--d",
  ])("the image %s is accepted", (image) => {
    expect(validateSpec({ ...base, image }).ok).toBe(true);
  });

  test("a hostile image name costs no time", () => {
    const image = `${"a".repeat(120)}${"-".repeat(120)}!`;
    const before = performance.now();

    expect(validateSpec({ ...base, image }).ok).toBe(false);
    expect(performance.now() - before).toBeLessThan(50);
  });
});
