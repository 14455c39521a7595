import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SavedPiece } from "../../proto/gen/nl/v1/cluster.ts";
import type { GrpcClient } from "../client/grpc-client.ts";
import type { NlError } from "../lib/error-code.ts";
import { type JobId, mintJobId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import { decodeState } from "../state/state-loader.ts";
import { LiveCluster, specOf, value } from "./testing/live-cluster.ts";

/** `Cluster.SaveSnapshot` over gRPC, on three nodes. */

let cluster: LiveCluster;

beforeAll(async () => {
  cluster = await LiveCluster.start(3);
  await cluster.leader();
});
afterAll(() => cluster.stop());

describe("saving a snapshot", () => {
  test("holds every job that was acked before the call, through any node", async () => {
    const client = await cluster.client();
    const jobIds: JobId[] = [];
    for (const address of cluster.addresses) {
      const jobId = mintJobId((n) => Math.floor(Math.random() * n));
      value(await client.submitJob({ jobId, spec: specOf("true") }));
      jobIds.push(jobId);

      const saved = await save(await cluster.client({ addresses: [address] }));

      const state = value(decodeState(saved.bytes));
      expect(jobIds.every((id) => state.jobs.has(id))).toBe(true);
      expect(saved.head?.index).toBe(state.appliedIndex);
      expect(saved.head?.sha256).toBe(sha256(saved.bytes));
    }
  });

  test("goes on while jobs are submitted", async () => {
    const client = await cluster.client();
    const writing = Array.from({ length: 50 }, () =>
      client.submitJob({
        jobId: mintJobId((n) => Math.floor(Math.random() * n)),
        spec: specOf("true"),
      }),
    );

    const { bytes, head } = await save(client);

    expect(Number(value(decodeState(bytes)).appliedIndex)).toBe(head?.index ?? 0);
    expect((await Promise.all(writing)).every(({ ok }) => ok)).toBe(true);
  });

  test("is for administrators", async () => {
    const client = await cluster.client({ role: "operator" });

    expect(await save(client)).toMatchObject({ error: { code: "forbidden" } });
  });

  test("may be cut off by its reader, and be asked for again", async () => {
    const client = await cluster.client();
    for await (const piece of client.saveSnapshot(new AbortController().signal)) {
      expect(piece.ok).toBe(true);
      break;
    }

    expect((await save(client)).error).toBeNull();
  });
});

async function save(client: GrpcClient) {
  const pieces: Uint8Array[] = [];
  const found: { head: Extract<SavedPiece["kind"], { $case: "snapshot" }>["value"] | null } = {
    head: null,
  };
  let error: NlError | null = null;
  const reading: AsyncIterable<Result<SavedPiece, NlError>> = client.saveSnapshot(
    new AbortController().signal,
  );
  for await (const piece of reading) {
    if (!piece.ok) error = piece.error;
    else if (piece.value.kind?.$case === "data") pieces.push(piece.value.kind.value);
    else if (piece.value.kind?.$case === "snapshot") found.head = piece.value.kind.value;
  }
  return { head: found.head, bytes: Buffer.concat(pieces), error };
}

const sha256 = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
