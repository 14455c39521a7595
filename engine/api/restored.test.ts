import { describe, expect, test } from "bun:test";
import { GetJobRequest, GetJobResponse, JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import { WatchRequest } from "../../proto/gen/nl/v1/watch.ts";
import type { JobId } from "../lib/ids.ts";
import { type Api, createApi } from "./api.ts";
import { FakeNode } from "./testing/fake-node.ts";
import type { SharedFrame } from "./watch/frames.ts";

const SNAPSHOTS = { entries: 10, logBytes: 1e9, keepEntries: 0, recordsPerSlice: 100 };

const id = (n: number): JobId => String(n).padStart(12, "0") as JobId;

/** The API of a follower that will miss so much that only a snapshot brings it back. */
function follower(): { readonly node: FakeNode; readonly api: Api } {
  const node = new FakeNode({ size: 3, follows: true, replica: { snapshots: SNAPSHOTS } });
  node.submit(id(1), id(2));
  node.cluster.world.advance(100);
  return { node, api: createApi(node.context) };
}

/** Cut off, and back by a snapshot; `meanwhile` happens in the rest of the cluster. */
function restore(node: FakeNode, meanwhile: () => void): void {
  const { world, network } = node.cluster;
  let isRestored = false;
  const { replica } = node.context;
  replica.listen({
    onRestored: () => {
      isRestored = true;
    },
  });
  network.cut(node.peerId);
  world.advance(5_000);
  meanwhile();
  for (let n = 100; n < 130; n++) node.submit(id(n));
  world.advance(500);
  network.heal();
  expect(world.advanceUntil(() => isRestored, 20_000)).toBe(true);
  world.advance(1_000);
  expect(replica.view.jobs.size).toBe(32);
}

const kindsOf = (frames: readonly SharedFrame[]): readonly (string | undefined)[] =>
  frames.map(({ message }) => message.kind?.$case);

describe("on a node whose state a snapshot has replaced", () => {
  test("watchers are told to forget, given everything, and then the changes", async () => {
    const { node, api } = follower();
    const frames: SharedFrame[] = [];
    const sink = {
      send: (frame: SharedFrame) => {
        frames.push(frame);
        return true;
      },
      end: () => {},
    };
    await api.watch(node.caller, WatchRequest.fromPartial({ jobs: true }), sink);
    const before = frames.length;

    restore(node, () => {});
    node.submit(id(200));
    node.cluster.world.advance(300);

    const news = frames.slice(before).filter(({ message }) => message.kind?.$case !== "ping");
    const resync = kindsOf(news).indexOf("resync");
    expect(kindsOf(news).slice(resync, resync + 2)).toEqual(["resync", "snapshot"]);
    const snapshot = news[resync + 1]?.message.kind;
    expect(snapshot?.$case === "snapshot" && snapshot.value.jobs.length).toBeGreaterThan(20);
    const told = news.slice(resync + 1).flatMap(({ message: { kind } }) => {
      const hasJobs = kind?.$case === "snapshot" || kind?.$case === "delta";
      return hasJobs ? kind.value.jobs.map((job) => job.id) : [];
    });
    expect(new Set(told).size).toBe(33);
    expect(told.at(-1)).toBe(id(200));
  });

  test("who waits for a job that ended meanwhile is answered", async () => {
    const { node, api } = follower();
    const request = Buffer.from(GetJobRequest.encode({ jobId: id(1), stale: true }).finish());
    const waiting = api.call(JobsService.waitJob.path, node.caller, request);
    await new Promise<void>((resolve) => setImmediate(resolve));

    restore(node, () => node.apply({ kind: "cancel-job", jobId: id(1) }));
    const answer = await waiting;

    const job = answer.ok ? GetJobResponse.decode(answer.value).job : undefined;
    expect([job?.id, job?.state]).toEqual([id(1), "cancelled"]);
  });
});
