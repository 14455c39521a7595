import { describe, expect, test } from "bun:test";
import type { WatchFrame } from "../../../proto/gen/nl/v1/watch.ts";
import type { NlError } from "../../lib/error-code.ts";
import type { JobId } from "../../lib/ids.ts";
import { FakeNode } from "../testing/fake-node.ts";
import type { SharedFrame } from "./frames.ts";
import type { WatchFilter } from "./pending-changes.ts";
import { parseRevision, type Revision } from "./revision.ts";
import { WatchHub, type WatchSession } from "./watch-hub.ts";

const ALL: WatchFilter = { jobs: true, nodes: true, events: false, jobId: null };

class Reader {
  readonly frames: SharedFrame[] = [];
  ended: NlError | null = null;
  isSlow = false;
  session: WatchSession | null = null;

  send(frame: SharedFrame): boolean {
    this.frames.push(frame);
    return !this.isSlow;
  }

  end(error: NlError): void {
    this.ended = error;
  }

  kinds(): readonly string[] {
    return this.messages().map(({ kind }) => kind?.$case ?? "");
  }

  messages(): readonly WatchFrame[] {
    return this.frames.map(({ message }) => message);
  }

  /** Ids of rows in deltas, as they came. */
  deltaJobs(): readonly string[] {
    return this.messages().flatMap(({ kind }) =>
      kind?.$case === "delta" ? kind.value.jobs.map((job) => job.id) : [],
    );
  }

  revision(): Revision {
    const text = this.messages().findLast(({ revision }) => revision !== "")?.revision ?? "";
    const revision = parseRevision(text);
    if (revision === null) throw new Error("no revision yet");
    return revision;
  }
}

function start(): { readonly node: FakeNode; readonly hub: WatchHub } {
  const node = new FakeNode();
  const hub = new WatchHub(node.context);
  node.context.replica.listen({ onFacts: (facts, view) => hub.onFacts(facts, view) });
  return { node, hub };
}

function watch(
  hub: WatchHub,
  options: {
    readonly filter?: WatchFilter;
    readonly since?: Revision;
    readonly isSlow?: boolean;
    readonly wantsStatus?: boolean;
  } = {},
): Reader {
  const reader = new Reader();
  reader.isSlow = options.isSlow ?? false;
  const { filter = ALL, wantsStatus = false, since = null } = options;
  const begun = hub.subscribe({ filter, wantsStatus, finishedLimit: 0, since }, reader);
  if (!begun.ok) throw new Error(begun.error.message);
  reader.session = begun.value;
  return reader;
}

const id = (n: number): JobId => `job${String(n).padStart(9, "0")}`.replace("o", "0") as JobId;

describe("a watch", () => {
  test("says hello and gives everything in one snapshot", () => {
    const { node, hub } = start();
    node.submit(id(1), id(2));

    const reader = watch(hub);

    expect(reader.kinds()).toEqual(["hello", "snapshot"]);
    const snapshot = reader.messages()[1]?.kind;
    if (snapshot?.$case !== "snapshot") throw new Error("a snapshot");
    expect(snapshot.value.jobs.map((job) => job.id).sort()).toEqual([id(1), id(2)]);
    expect(snapshot.value).toMatchObject({ done: true, totalJobs: 2 });
  });

  test("cuts a large snapshot into frames of 500 rows, and only the last has the revision", () => {
    const { node, hub } = start();
    node.submit(...Array.from({ length: 1_100 }, (_, n) => id(n)));

    const reader = watch(hub);

    const frames = reader.messages().slice(1);
    expect(frames.map(({ kind }) => kind?.$case === "snapshot" && kind.value.done)).toEqual([
      false,
      false,
      true,
    ]);
    expect(frames.map(({ revision }) => revision !== "")).toEqual([false, false, true]);
  });

  test("of all jobs tells the changes of 100 ms in one frame, each row once", () => {
    const { node, hub } = start();
    const reader = watch(hub);

    node.submit(id(1));
    node.submit(id(2), id(3));
    const early = reader.deltaJobs();
    node.cluster.world.advance(100);

    expect(early).toEqual([]);
    expect(reader.deltaJobs()).toEqual([id(1), id(2), id(3)]);
    expect(reader.kinds().filter((kind) => kind === "delta")).toHaveLength(1);
  });

  test("encodes a frame once for all who see the same", () => {
    const { node, hub } = start();
    const readers = [watch(hub), watch(hub), watch(hub)];

    node.submit(id(1));
    node.cluster.world.advance(100);

    const deltas = readers.map((reader) => reader.frames.at(-1));
    expect(new Set(deltas).size).toBe(1);
    expect(deltas[0]?.bytes).toBe(deltas[0]?.bytes as Buffer);
  });

  test("of one job tells its changes at once and no others", () => {
    const { node, hub } = start();
    node.submit(id(1));
    const filter = { ...ALL, nodes: false, jobId: id(1) };

    const reader = watch(hub, { filter });
    node.submit(id(2));
    cancel(node, id(1));

    expect(reader.deltaJobs()).toEqual([id(1)]);
    const last = reader.messages().at(-1)?.kind;
    expect(last).toMatchObject({ $case: "delta", value: { jobs: [{ state: "cancelled" }] } });
  });

  test("resumes after a revision with what it missed, without a snapshot", () => {
    const { node, hub } = start();
    const first = watch(hub);
    node.submit(id(1));
    node.cluster.world.advance(100);
    const since = first.revision();
    first.session?.close();
    node.submit(id(2));
    node.submit(id(3));

    const second = watch(hub, { since });

    expect(second.kinds()).toEqual(["hello", "delta"]);
    expect(second.deltaJobs()).toEqual([id(2), id(3)]);
  });

  test("with a revision that is forgotten, or not yet here, begins anew and says so", () => {
    const { hub } = start();

    const old = watch(hub, { since: { index: 0, ordinal: 0 } });
    const ahead = watch(hub, { since: { index: 99_999, ordinal: 0 } });

    expect(old.kinds()).toEqual(["hello", "resync", "snapshot"]);
    expect(ahead.kinds()).toEqual(["hello", "resync", "snapshot"]);
  });

  test("keeps what a slow reader missed, each row once, until it reads again", () => {
    const { node, hub } = start();
    const reader = watch(hub);
    reader.isSlow = true;
    for (const n of [1, 2]) {
      node.submit(id(n));
      node.cluster.world.advance(100);
    }
    cancel(node, id(2));
    node.cluster.world.advance(100);
    const seen = reader.deltaJobs();

    reader.isSlow = false;
    reader.session?.drained();

    expect(seen).toEqual([id(1)]);
    expect(reader.deltaJobs()).toEqual([id(1), id(2)]);
    const last = reader.messages().at(-1)?.kind;
    expect(last).toMatchObject({ $case: "delta", value: { jobs: [{ state: "cancelled" }] } });
  });

  test("gives a reader that is slow for 10 s a new snapshot, and lets go of it after 60 s", () => {
    const { node, hub } = start();
    const reader = watch(hub);
    reader.isSlow = true;
    node.cluster.world.advance(15_000);

    reader.session?.drained();
    const last = reader.kinds().at(-1);
    node.cluster.world.advance(70_000);

    expect(last).toBe("resync");
    expect(reader.ended).toMatchObject({ code: "overloaded" });
  });

  test("pings once a second, with the status for those who want it", () => {
    const { node, hub } = start();
    const plain = watch(hub);
    const curious = watch(hub, { wantsStatus: true });

    node.cluster.world.advance(3_050);

    expect(plain.kinds().filter((kind) => kind === "ping")).toHaveLength(3);
    expect(plain.kinds()).not.toContain("status");
    expect(curious.kinds().filter((kind) => kind === "status")).toHaveLength(4);
  });

  test("is refused beyond a thousand readers, and one that leaves makes room", () => {
    const { hub } = start();
    const readers = Array.from({ length: 1_000 }, () => watch(hub));
    const request = { filter: ALL, wantsStatus: false, finishedLimit: 0, since: null };

    const refused = hub.subscribe(request, new Reader());
    readers[0]?.session?.close();
    const taken = hub.subscribe(request, new Reader());

    expect(refused).toMatchObject({ ok: false, error: { code: "overloaded" } });
    expect(taken.ok).toBe(true);
  });

  test("ends when the node stops, with the advice to ask another one", () => {
    const { hub } = start();
    const reader = watch(hub);

    hub.stop();

    expect(reader.ended).toMatchObject({ code: "draining" });
  });

  test("gives every change as an event, in order, when asked to", () => {
    const { node, hub } = start();
    const reader = watch(hub, { filter: { ...ALL, events: true } });

    node.submit(id(1), id(2));
    cancel(node, id(1));
    node.cluster.world.advance(100);

    const events = reader
      .messages()
      .flatMap(({ kind }) => (kind?.$case === "delta" ? kind.value.events : []));
    expect(events.map((event) => `${event.id} ${event.what}`)).toEqual([
      `${id(1)} pending`,
      `${id(2)} pending`,
      `${id(1)} cancelled`,
    ]);
  });
});

function cancel(node: FakeNode, jobId: JobId): void {
  let isApplied = false;
  const body = { kind: "cancel-job", jobId } as const;
  node.context.replica.propose({ principal: "user/alice", body }, () => {
    isApplied = true;
  });
  node.cluster.world.advanceUntil(() => isApplied, 1_000);
}
