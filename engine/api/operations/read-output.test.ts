import { describe, expect, test } from "bun:test";
import type { OutputChunk, ReadOutputRequest } from "../../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { AttemptId, Index, JobId, NodeId, UnixMillis } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { OutputLink } from "../../platform/output-link.ts";
import type { AttemptReport } from "../../state/command.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { readOutput } from "./read-output.ts";

const JOB = "aaaaaaaaaaaa" as JobId;
const REQUEST: ReadOutputRequest = {
  jobId: JOB,
  attempt: 0,
  follow: true,
  offset: 0,
  tailBytes: 0,
  untilJobOver: false,
};

type Chunks = readonly Result<OutputChunk, NlError>[];
type Source = (request: Parameters<OutputLink["read"]>[0]) => ReturnType<OutputLink["read"]>;

/** A leader whose jobs all run on another node, with that node's output as `source`. */
function nodeWith(source: Source): { readonly node: FakeNode; readonly other: NodeId } {
  const node = new FakeNode({ size: 3 });
  Object.assign(node.context, { outputLink: { read: source } });
  const other = node.cluster.nodes.find(({ nodeId }) => nodeId !== node.context.nodeId);
  if (other === undefined) throw new Error("another node");
  node.apply({
    kind: "register-node",
    node: {
      nodeId: other.nodeId,
      peerId: other.peerId,
      storeId: `store-${other.peerId}`,
      roles: ["server", "worker"],
      rpcAddress: "127.0.0.1:7172",
      httpAddress: "127.0.0.1:7182",
      cpuMillis: 4_000,
      memoryBytes: 2 ** 33,
      slots: 4,
      drivers: ["plain"],
      labels: {},
      featureLevel: 1,
      version: "test",
    },
  });
  return { node, other: other.nodeId };
}

function assign(node: FakeNode, nodeId: NodeId, number = 1): void {
  const cause = number === 1 ? "first" : "retry";
  node.apply({ kind: "assign-attempts", assignments: [{ jobId: JOB, number, nodeId, cause }] });
}

function report(node: FakeNode, nodeId: NodeId, change: Partial<AttemptReport>, number = 1): void {
  const attemptId = `${JOB}.${number}` as AttemptId;
  const fence = node.context.replica.view.attempt(attemptId)?.fence ?? (0 as Index);
  const startedAt = node.context.platform.clock.now();
  const base: AttemptReport = {
    attemptId,
    nodeId,
    fence,
    phase: "running",
    startedAt,
    finishedAt: null,
    end: null,
    exitCode: null,
    signal: "",
    detail: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputAtLeast: false,
    driver: "plain",
    peakMemoryBytes: 0,
  };
  node.apply({ kind: "report-attempts", reports: [{ ...base, ...change }] });
}

const EXITED = {
  phase: "exited",
  end: "exited",
  exitCode: 0,
  finishedAt: 1_700_000_009_000 as UnixMillis,
} as const;

const collect = (node: FakeNode, request: Partial<ReadOutputRequest> = {}): Promise<Chunks> =>
  Array.fromAsync(readOutput(node.context, node.caller, { ...REQUEST, ...request }));

async function* texts(...parts: readonly string[]): ReturnType<Source> {
  let offset = 0;
  for (const [i, part] of parts.entries()) {
    const complete = i === parts.length - 1;
    yield ok({ offset, stream: "stdout", data: Buffer.from(part), skippedBytes: 0, complete });
    offset += part.length;
  }
}

/** The first piece of an output that goes on. */
const part = (text: string) =>
  ok({
    offset: 0,
    stream: "stdout",
    data: Buffer.from(text),
    skippedBytes: 0,
    complete: false,
  } as const);

const textOf = (chunks: Chunks): string =>
  chunks.map((chunk) => (chunk.ok ? chunk.value.data.toString() : chunk.error.code)).join("");

describe("following output", () => {
  test("waits for an attempt to start, then reads it from the node that runs it", async () => {
    const asked: string[] = [];
    const { node, other } = nodeWith((request) => {
      asked.push(`${request.source.nodeId} ${request.attemptId}`);
      return texts("hel", "lo");
    });
    node.submit(JOB);

    const reading = collect(node);
    await turn();
    assign(node, other);
    await turn();
    const early = asked.length;
    report(node, other, {});
    const chunks = await node.settle(reading);

    expect(early).toBe(0);
    expect(asked).toEqual([`${other} ${JOB}.1`]);
    expect(textOf(chunks)).toBe("hello");
    expect(chunks.at(-1)).toMatchObject({ ok: true, value: { complete: true, attempt: 1 } });
  });

  test("ends with a clear error when the node with the output is gone", async () => {
    const gone = nlError("unreachable", "node n2, which holds this output, cannot be reached");
    const { node, other } = nodeWith(async function* () {
      yield part("so far");
      yield err(gone);
    });
    node.submit(JOB);
    assign(node, other);
    report(node, other, {});

    const chunks = await node.settle(collect(node));

    expect(textOf(chunks)).toBe("so farunreachable");
  });

  test("of the whole job goes on at its offset when that node comes back", async () => {
    let tries = 0;
    const { node, other } = nodeWith(async function* (request) {
      tries += 1;
      if (tries === 1) {
        yield part("one ");
        yield err(nlError("unreachable", "gone for a moment"));
      } else {
        const data = Buffer.from("one two").subarray(request.offset);
        yield ok({
          offset: request.offset,
          stream: "stdout",
          data,
          skippedBytes: 0,
          complete: true,
        });
      }
    });
    node.submit(JOB);
    assign(node, other);
    report(node, other, {});

    const reading = collect(node, { untilJobOver: true });
    await turn();
    report(node, other, EXITED);
    const chunks = await node.settle(reading);

    expect(textOf(chunks)).toBe("one two");
    expect(tries).toBe(2);
  });

  test("ends at once, complete and empty, when the job ended without a start", async () => {
    const { node } = nodeWith(() => texts("never"));
    node.submit(JOB);

    const reading = collect(node);
    await turn();
    node.apply({ kind: "cancel-job", jobId: JOB });
    const chunks = await node.settle(reading);

    expect(chunks).toMatchObject([{ ok: true, value: { complete: true, stream: 0 } }]);
  });

  test("sends pieces of at most 64 KiB", async () => {
    const { node, other } = nodeWith(() => texts("x".repeat(200_000)));
    node.submit(JOB);
    assign(node, other);
    report(node, other, {});

    const chunks = await node.settle(collect(node));

    const sizes = chunks.map((chunk) => (chunk.ok ? chunk.value.data.length : -1));
    expect(sizes).toEqual([65_536, 65_536, 65_536, 3_392]);
    expect(chunks.map((chunk) => chunk.ok && chunk.value.complete)).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  test("stops when its reader is gone, and when this node stops", async () => {
    const { node } = nodeWith(() => texts("never"));
    node.submit(JOB);
    const gone = new AbortController();
    const caller = { ...node.caller, signal: gone.signal };

    const left = Array.fromAsync(readOutput(node.context, caller, REQUEST));
    const stopped = collect(node);
    await turn();
    gone.abort();
    node.stopping.abort();

    expect(await node.settle(left)).toMatchObject([{ ok: false, error: { code: "draining" } }]);
    expect(await node.settle(stopped)).toMatchObject([{ ok: false, error: { code: "draining" } }]);
    expect(node.context.jobChanges.size).toBe(0);
  });
});

/** Lets promises that are due go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
