import { describe, expect, test } from "bun:test";
import type { SubmitStreamResponse } from "../../../proto/gen/nl/v1/jobs.ts";
import { SPEC_BYTES_MAX } from "../../lib/job-spec.ts";
import { encodeSpec } from "../../state/spec-codec.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { specOf } from "../testing/live-cluster.ts";
import { submitJobsMethod } from "./methods.ts";
import { SubmitPipe } from "./submit-stream.ts";

const spec = encodeSpec(specOf("hold"));
const big = encodeSpec({ ...specOf("hold"), labels: { pad: "x".repeat(200) } });

const id = (n: number): string => String(n).padStart(12, "0");

class Channel {
  readonly responses: SubmitStreamResponse[] = [];
  isPaused = false;
  pauses = 0;
  hasEnded = false;
  timesOver = 0;
  isSlow = false;

  pause(): void {
    this.isPaused = true;
    this.pauses += 1;
  }
  resume(): void {
    this.isPaused = false;
  }
  send(response: SubmitStreamResponse): boolean {
    this.responses.push(response);
    return !this.isSlow;
  }
  end(): void {
    this.hasEnded = true;
  }
  /** Every answer, the coalesced ones too. */
  get answers(): readonly SubmitStreamResponse[] {
    return this.responses.flatMap((response) => [response, ...response.more]);
  }
}

function open(node: FakeNode): { readonly pipe: SubmitPipe; readonly channel: Channel } {
  const channel = new Channel();
  const { context, caller } = node;
  const onOver = (): void => {
    channel.timesOver += 1;
  };
  return {
    channel,
    pipe: new SubmitPipe({ context, caller, submitJobs: submitJobsMethod, channel, onOver }),
  };
}

async function until(node: FakeNode, reached: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !reached(); i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    node.cluster.world.advance(1);
  }
  expect(reached()).toBe(true);
}

describe("a submit stream", () => {
  test("makes one entry of what arrives together, and one frame of the answers", async () => {
    const node = new FakeNode();
    const { pipe, channel } = open(node);
    const before = node.context.replica.view.appliedIndex;

    for (let n = 1; n <= 100; n++) pipe.receive({ sequence: n, jobs: [{ jobId: id(n), spec }] });
    await until(node, () => channel.answers.length === 100);

    expect(node.context.replica.view.appliedIndex).toBe((before + 1) as never);
    expect(channel.responses).toHaveLength(1);
    expect(channel.answers.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  test("answers a request when each of its jobs is answered, good or bad", async () => {
    const node = new FakeNode();
    const { pipe, channel } = open(node);

    pipe.receive({
      sequence: 1,
      jobs: [
        { jobId: id(1), spec },
        { jobId: "not an id", spec },
        { jobId: id(2), spec: new Uint8Array([1, 2, 3]) },
      ],
    });
    pipe.receive({ sequence: 2, jobs: [] });
    await until(node, () => channel.answers.length === 2);

    const outcomes = channel.answers.find(({ sequence }) => sequence === 1)?.outcomes ?? [];
    expect(outcomes.map((outcome) => outcome.failure?.code)).toEqual([
      undefined,
      "invalid_argument",
      "invalid_spec",
    ]);
  });

  test("is paused, never refused, when more comes than the log takes", async () => {
    const node = new FakeNode({ replica: { maxWaitingProposals: 1 } });
    const { pipe, channel } = open(node);

    for (let n = 0; n < 6_000; n++)
      pipe.receive({ sequence: n, jobs: [{ jobId: id(n), spec: big }] });
    const wasPaused = channel.isPaused;
    await until(node, () => channel.answers.length === 6_000);

    expect(wasPaused).toBe(true);
    expect(channel.isPaused).toBe(false);
    expect(channel.answers.every(({ outcomes }) => outcomes[0]?.failure === undefined)).toBe(true);
    expect(node.context.replica.view.jobs.size).toBe(6_000);
  });

  test("is paused while its reader does not take answers", async () => {
    const node = new FakeNode();
    const { pipe, channel } = open(node);
    channel.isSlow = true;

    pipe.receive({ sequence: 1, jobs: [{ jobId: id(1), spec }] });
    await until(node, () => channel.isPaused);
    pipe.drained();

    expect(channel.isPaused).toBe(false);
  });

  test("ends once everything is answered, not before", async () => {
    const node = new FakeNode();
    const { pipe, channel } = open(node);

    pipe.receive({ sequence: 1, jobs: [{ jobId: id(1), spec }] });
    pipe.end();
    const early = channel.hasEnded;
    await until(node, () => channel.hasEnded);

    pipe.stop();
    expect(early).toBe(false);
    expect(channel.answers).toHaveLength(1);
    expect(channel.timesOver).toBe(1);
  });

  test("begins nothing when its client is gone", async () => {
    const node = new FakeNode();
    const { pipe } = open(node);

    pipe.receive({ sequence: 1, jobs: [{ jobId: id(1), spec }] });
    pipe.stop();
    node.cluster.world.advance(100);
    await Promise.resolve();

    expect(node.context.replica.view.jobs.size).toBe(0);
  });

  test("refuses a spec above its limit by name", async () => {
    const node = new FakeNode();
    const { pipe, channel } = open(node);

    pipe.receive({
      sequence: 1,
      jobs: [{ jobId: id(1), spec: new Uint8Array(SPEC_BYTES_MAX + 1) }],
    });
    await until(node, () => channel.answers.length === 1);

    expect(channel.answers[0]?.outcomes[0]?.failure?.code).toBe("too_large");
  });
});
