import {
  Metadata,
  type ServerDuplexStream,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { ClusterService } from "../../../proto/gen/nl/v1/cluster.ts";
import {
  Failure,
  JobsService,
  type OutputChunk,
  type ReadOutputRequest,
  type SubmitStreamRequest,
  type SubmitStreamResponse,
} from "../../../proto/gen/nl/v1/jobs.ts";
import {
  type WatchFrame,
  type WatchRequest,
  WatchService,
} from "../../../proto/gen/nl/v1/watch.ts";
import { bunTimers } from "../../bun-platform.ts";
import { ERROR_CODES, type NlError } from "../../lib/error-code.ts";
import type { NodeId, UnixMillis } from "../../lib/ids.ts";
import {
  type Authority,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from "../../security/certificates.ts";
import { GrpcServer } from "../../transport/grpc-server.ts";
import { connect, type GrpcClient } from "../grpc-client.ts";

const now = Date.now() as UnixMillis;

type Unary = (request: unknown) => { readonly value: object; readonly leader?: string } | NlError;

/** What a fake node does; calls that are not given are refused as `internal`. */
export type FakeBehaviour = {
  readonly unary?: Unary;
  readonly readOutput?: (call: ServerWritableStream<ReadOutputRequest, OutputChunk>) => void;
  readonly watch?: (call: ServerWritableStream<WatchRequest, WatchFrame>) => void;
  readonly submitStream?: (
    call: ServerDuplexStream<SubmitStreamRequest, SubmitStreamResponse>,
  ) => void;
};

/** Servers that misbehave on purpose, with certificates of one cluster, and clients for them. */
export class FakeServers {
  readonly #authority: Promise<Authority> = createAuthority({ clusterId: "fake", now }).then(must);
  /** What clients were told about who leads. */
  readonly leaders: string[] = [];
  readonly #closing: (() => unknown)[] = [];

  /** The address of a new server. */
  async start(
    behaviour: FakeBehaviour,
  ): Promise<{ readonly address: string; kill(): Promise<void> }> {
    const authority = await this.#authority;
    const node = { nodeId: "n1" as NodeId, addresses: [], now };
    const leaf = must(await issueNodeCertificate(authority, node));
    const tls = { ...leaf, caPem: authority.certificatePem };
    const server = new GrpcServer({ tls, timers: bunTimers() });
    const answer = unaryHandler(behaviour.unary ?? (() => refusal));
    const refuse = (call: { emit(event: "error", error: object): boolean }): void => {
      call.emit("error", statusOf(refusal));
    };
    const names = Object.keys(JobsService);
    server.server.addService(JobsService, {
      ...Object.fromEntries(names.map((name) => [name, answer])),
      readOutput: handler(behaviour.readOutput ?? refuse),
      submitStream: handler(behaviour.submitStream ?? refuse),
    });
    server.server.addService(
      ClusterService,
      Object.fromEntries(Object.keys(ClusterService).map((name) => [name, answer])),
    );
    server.server.addService(WatchService, { watch: handler(behaviour.watch ?? refuse) });
    const port = must(await server.listen({ host: "127.0.0.1", port: 0 }));
    const kill = () => server.stop(0);
    this.#closing.push(kill);
    return { address: `127.0.0.1:${port}`, kill };
  }

  async client(addresses: readonly string[], requestTimeoutMillis = 5_000): Promise<GrpcClient> {
    const authority = await this.#authority;
    const user = { user: "alice", role: "admin", now } as const;
    const leaf = must(await issueClientCertificate(authority, user));
    const credentials = {
      ca: authority.certificatePem,
      cert: leaf.certificatePem,
      key: leaf.keyPem,
    };
    const onLeader = (address: string): void => void this.leaders.push(address);
    const client = connect({ addresses, credentials, requestTimeoutMillis, onLeader });
    this.#closing.push(() => client.close());
    return client;
  }

  async stop(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

/** What grpc-js calls with whatever kind of call the service defines. */
const handler = <Call>(handle: (call: Call) => void): UntypedHandleCall =>
  handle as unknown as UntypedHandleCall;

const refusal: NlError = { code: "internal", message: "not here", hint: "", retryAfterMillis: 0 };

const unaryHandler =
  (answer: Unary) =>
  (
    call: { readonly request: unknown },
    done: (error: object | null, value?: object, trailer?: Metadata) => void,
  ): void => {
    const result = answer(call.request);
    if ("code" in result) done(statusOf(result));
    else {
      const trailer = new Metadata();
      if (result.leader !== undefined) trailer.set("nl-leader", result.leader);
      done(null, result.value, trailer);
    }
  };

export function statusOf(error: NlError) {
  const metadata = new Metadata();
  metadata.set("nl-failure-bin", Buffer.from(Failure.encode(error).finish()));
  return { code: ERROR_CODES[error.code].grpc, details: error.message, metadata };
}

function must<T, E>(result: { ok: true; value: T } | { ok: false; error: E }): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
