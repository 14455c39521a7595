import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Index, PeerId, UnixMillis } from "../lib/ids.ts";
import { attemptId } from "../lib/ids.ts";
import type { CommandBody } from "./command.ts";
import { decodeCommand, encodeCommand } from "./command-codec.ts";
import { describeCommand } from "./describe-command.ts";
import { decodeSpec, encodeSpec, priorityOf } from "./spec-codec.ts";
import { job, node, nodeInfo, START, specWith } from "./state-fixture.ts";

const count = fc.nat({ max: 2 ** 40 });
const words = fc.dictionary(
  fc.string({ minLength: 1 }).filter((key) => key !== "__proto__"),
  fc.string(),
  { noNullPrototype: true },
);

const spec = fc.record({
  name: fc.string(),
  command: fc.array(fc.string(), { minLength: 1 }),
  image: fc.string(),
  driver: fc.constantFrom("auto" as const, "docker" as const, "process" as const, "plain" as const),
  env: words,
  resources: fc.record({ cpuMillis: fc.nat(), memoryBytes: count, pids: fc.nat() }),
  timeoutMillis: count,
  startTimeoutMillis: count,
  killGraceMillis: count,
  retries: fc.record({
    count: fc.nat(),
    backoffMillis: count,
    maxBackoffMillis: count,
    onExit: fc.array(fc.nat({ max: 255 })),
    notOnExit: fc.array(fc.nat({ max: 255 })),
  }),
  onLost: fc.constantFrom("rerun" as const, "fail" as const, "wait" as const),
  once: fc.boolean(),
  priority: fc.nat({ max: 100 }),
  labels: words,
  outputKeepBytes: count,
});

describe("spec-codec", () => {
  test("every spec comes back as it went, and its priority can be read alone", () => {
    fc.assert(
      fc.property(spec, (one) => {
        const bytes = encodeSpec(one);

        expect(decodeSpec(bytes)).toEqual({ ok: true, value: one });
        expect(priorityOf(bytes)).toBe(one.priority);
      }),
    );
  });

  test("S2: the order in which a map was written does not show in the bytes", () => {
    const one = encodeSpec(specWith({ env: { A: "1", B: "2" }, labels: { x: "1", "9": "2" } }));
    const other = encodeSpec(specWith({ env: { B: "2", A: "1" }, labels: { "9": "2", x: "1" } }));

    expect(one).toEqual(other);
  });

  test("bytes that are no spec are an error, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(typeof decodeSpec(bytes).ok).toBe("boolean");
        expect(priorityOf(bytes)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

const report = {
  attemptId: attemptId(job(1), 2),
  nodeId: node(1),
  fence: 12 as Index,
  phase: "exited",
  startedAt: 5 as UnixMillis,
  finishedAt: null,
  end: "exited",
  exitCode: 0,
  signal: "SIGTERM",
  detail: "gone",
  stdoutBytes: 2 ** 40,
  stderrBytes: 1,
  outputAtLeast: true,
  driver: "docker",
  peakMemoryBytes: 7,
} as const;

const EXAMPLES: readonly (readonly [CommandBody, string])[] = [
  [
    { kind: "submit-jobs", jobs: [{ jobId: job(1), spec: encodeSpec(specWith()) }] },
    "submit 000000000001",
  ],
  [{ kind: "cancel-job", jobId: job(1) }, "cancel 000000000001"],
  [
    {
      kind: "assign-attempts",
      assignments: [{ jobId: job(1), number: 2, nodeId: node(1), cause: "node-lost" }],
    },
    "assign 000000000001.2 to n1",
  ],
  [{ kind: "report-attempts", reports: [report] }, "report 000000000001.2 exited 0"],
  [
    { kind: "report-attempts", reports: [{ ...report, exitCode: null, end: "no-image" }] },
    "report 000000000001.2 no-image",
  ],
  [
    { kind: "report-attempts", reports: [{ ...report, phase: "running", end: null }] },
    "report 000000000001.2 running",
  ],
  [
    { kind: "register-node", node: nodeInfo(1, { labels: { disk: "ssd" } }) },
    "register n1 at 127.0.0.1:7171",
  ],
  [{ kind: "mark-node", nodeId: node(1), liveness: "lost" }, "mark n1 lost"],
  [
    { kind: "drain-node", nodeId: node(1), deadlineMillis: 3_600_000, message: "disk" },
    "drain n1 within 3600 s",
  ],
  [{ kind: "undrain-node", nodeId: node(1) }, "undrain n1"],
  [{ kind: "raise-feature-level", featureLevel: 2 }, "raise the feature level to 2"],
  [
    {
      kind: "create-join-token",
      tokenId: "t1",
      secretHash: "ab12",
      role: "server",
      lifetimeMillis: 3_600_000,
      uses: 1,
    },
    "create join token t1 for a server",
  ],
  [{ kind: "revoke-join-token", tokenId: "t1" }, "revoke join token t1"],
  [
    {
      kind: "redeem-join-token",
      tokenId: "t1",
      secretHash: "ab12",
      node: {
        name: "",
        storeId: "store-4",
        rpcAddress: "10.0.0.4:7171",
        httpAddress: "10.0.0.4:7181",
        seat: "learner",
        featureLevel: 1,
        version: "0.1.0",
      },
    },
    "join a node at 10.0.0.4:7171 by token t1",
  ],
  [{ kind: "set-seat", nodeId: node(1), seat: "voter" }, "make n1 a voter"],
  [{ kind: "leave-node", nodeId: node(1), deadlineMillis: 60_000 }, "let n1 leave"],
  [{ kind: "forget-node", nodeId: node(1) }, "forget n1"],
  [
    { kind: "note-members", voters: [1, 2] as PeerId[], learners: [4] as PeerId[] },
    "members are now: voters 1 2, learners 4",
  ],
];

describe("command-codec", () => {
  test.each(EXAMPLES)("%j comes back as it went, and reads: %s", (body, line) => {
    const command = { level: 1, at: START, principal: "user/alice", body };

    const decoded = decodeCommand(encodeCommand(command));

    const shown = decoded.ok ? describeCommand(decoded.value) : null;
    // The generated code reads bytes as a Buffer: the same bytes of another class.
    expect(JSON.stringify(plain(decoded))).toBe(
      JSON.stringify(plain({ ok: true, value: command })),
    );
    expect(shown).toEqual({ kind: body.kind, line });
  });

  test("any bytes are a command or an error, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeCommand(bytes).ok).toBe("boolean");
      }),
    );
  });

  test("a long list is shortened", () => {
    const jobs = [1, 2, 3, 4, 5].map((number) => ({ jobId: job(number), spec: new Uint8Array() }));
    const command = {
      level: 1,
      at: START,
      principal: "",
      body: { kind: "submit-jobs", jobs },
    } as const;

    expect(describeCommand(command).line).toBe(
      "submit 000000000001, 000000000002, 000000000003 and 2 more",
    );
  });
});

const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, inner: unknown) =>
      inner instanceof Uint8Array || isBufferJson(inner) ? bytesOf(inner) : inner,
    ),
  );

const isBufferJson = (value: unknown): value is { readonly data: number[] } =>
  typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";

const bytesOf = (value: Uint8Array | { readonly data: number[] }): readonly number[] =>
  value instanceof Uint8Array ? [...value] : value.data;
