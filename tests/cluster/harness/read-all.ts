import type { Client } from "../../../engine/client/client.ts";

/** What a job wrote to stdout, all of it, and what was not kept. */
export async function readAll(
  client: Client,
  jobId: string,
): Promise<{ readonly stdout: string; readonly skippedBytes: number }> {
  const parts: Uint8Array[] = [];
  let skippedBytes = 0;
  for await (const chunk of client.readOutput({ jobId }, AbortSignal.timeout(20_000))) {
    if (!chunk.ok) throw new Error(`${chunk.error.code}: ${chunk.error.message}`);
    skippedBytes += chunk.value.skippedBytes;
    if (chunk.value.stream === 1) parts.push(chunk.value.data);
  }
  return { stdout: Buffer.concat(parts).toString(), skippedBytes };
}
