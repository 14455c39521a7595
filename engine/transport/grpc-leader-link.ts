import type { ChannelCredentials, Client } from "@grpc/grpc-js";
import { ForwardService } from "../../proto/gen/nl/v1/forward.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok } from "../lib/result.ts";
import type { Clock } from "../platform/clock.ts";
import type { Done } from "../platform/completion.ts";
import type { ForwardedCall, LeaderLink } from "../platform/leader-link.ts";
import { errorOfCall } from "./grpc-failure.ts";
import { NodeChannels, type NodeTarget } from "./node-channels.ts";

/** A leader that cannot be reached in this time is looked for elsewhere. */
const CONNECT_MILLIS_MAX = 1_000;

const asIs = (response: { readonly response: Uint8Array }): Uint8Array => response.response;

/**
 * Sends calls to the leader over one channel of their own. A call that never left this node is
 * answered `no_leader`, as it had no effect; one whose answer was lost, `indefinite`.
 */
export class GrpcLeaderLink implements LeaderLink {
  readonly #channels: NodeChannels;
  readonly #clock: Clock;

  constructor(options: { readonly credentials: ChannelCredentials; readonly clock: Clock }) {
    this.#channels = new NodeChannels(options.credentials);
    this.#clock = options.clock;
  }

  call(leader: NodeTarget, call: ForwardedCall, done: Done<Uint8Array, NlError>): void {
    const now = this.#clock.now();
    const deadline = now + call.timeoutMillis;
    const connectBy = Math.min(deadline, now + CONNECT_MILLIS_MAX);
    this.#channels.connected(leader, connectBy, (client) => {
      if (client === null) queueMicrotask(() => done(err(notReached(leader))));
      else send(client, { leader, call, deadline }, done);
    });
  }

  close(): void {
    this.#channels.close();
  }
}

type Hop = {
  readonly leader: NodeTarget;
  readonly call: ForwardedCall;
  /** Wall clock, as grpc-js takes it. */
  readonly deadline: number;
};

function send(client: Client, hop: Hop, done: Done<Uint8Array, NlError>): void {
  const { path, requestSerialize, responseDeserialize } = ForwardService.call;
  const { principal, method, timeoutMillis } = hop.call;
  const { buffer, byteOffset, length } = hop.call.request;
  const request = Buffer.from(buffer, byteOffset, length);
  client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { principal, method, request, deadlineMillis: Math.round(timeoutMillis) },
    { deadline: hop.deadline },
    (failure, response) => {
      if (response !== undefined) done(ok(asIs(response)));
      else if (failure) done(err(errorOfCall(failure, `${method} at node ${hop.leader.nodeId}`)));
    },
  );
}

const notReached = (leader: NodeTarget): NlError =>
  nlError(
    "no_leader",
    `node ${leader.nodeId} is said to lead but cannot be reached`,
    "a majority of the servers must reach each other: nl status",
    200,
  );
