import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, credentials, Client as GrpcClient, type Metadata } from "@grpc/grpc-js";
import type { Submission } from "../../../engine/client/client.ts";
import { SUBMIT_JOB, submissionBytes } from "../../../engine/client/submission-bytes.ts";
import { CLUSTER_SERVER_NAME } from "../../../engine/security/server-name.ts";
import { Failure } from "../../../proto/gen/nl/v1/jobs.ts";

/** What one call, made once, was answered: `ok`, or the code of nl's failure. */
export type Single = {
  readonly code: string;
  readonly message: string;
  readonly grpcStatus: number;
  readonly millis: number;
};

/** A bare channel to one node: no list of addresses, no patience, no repetition. */
export function openChannel(address: string, clientDirectory: string): Client {
  const read = (name: string): Buffer => readFileSync(join(clientDirectory, name));
  return new GrpcClient(
    address,
    credentials.createSsl(read("ca.pem"), read("client-key.pem"), read("client.pem")),
    {
      "grpc.ssl_target_name_override": CLUSTER_SERVER_NAME,
      "grpc.default_authority": CLUSTER_SERVER_NAME,
    },
  );
}

/** One submission in one call. */
export function submitOnce(
  channel: Client,
  submission: Submission,
  deadlineMillis = 10_000,
): Promise<Single> {
  const { path, requestSerialize, responseDeserialize } = SUBMIT_JOB;
  const request = submissionBytes(submission);
  if (!request.ok) throw new Error(request.error.message);
  const from = performance.now();
  return new Promise((resolve) => {
    channel.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request.value,
      { deadline: Date.now() + deadlineMillis },
      (failure) => {
        const millis = performance.now() - from;
        if (failure === null) resolve({ code: "ok", message: "", grpcStatus: 0, millis });
        else resolve({ ...readFailure(failure), grpcStatus: failure.code, millis });
      },
    );
  });
}

function readFailure(failure: { readonly metadata?: Metadata; readonly details: string }) {
  const [trailer] = failure.metadata?.get("nl-failure-bin") ?? [];
  if (!Buffer.isBuffer(trailer)) return { code: "none", message: failure.details };
  const { code, message } = Failure.decode(trailer);
  return { code, message };
}
