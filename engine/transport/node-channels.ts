import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  connectivityState,
} from "@grpc/grpc-js";
import type { NodeId } from "../lib/ids.ts";
import { nodeServerName } from "../security/server-name.ts";

/** Channels kept open: the members of a cluster, and those it had a moment ago. */
const CHANNELS_MAX = 32;
const KEEPALIVE_MILLIS = 2_000;
const KEEPALIVE_TIMEOUT_MILLIS = 2_000;
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

const OPTIONS: ClientOptions = {
  // Resets of calls count against a connection: this one is not shared with anything else.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": KEEPALIVE_MILLIS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MILLIS,
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

export type NodeTarget = { readonly nodeId: NodeId; readonly address: string };

/** One open channel per other node, for calls from node to node. */
export class NodeChannels {
  readonly #credentials: ChannelCredentials;
  /** By name and address, oldest first. */
  readonly #clients = new Map<string, Client>();

  constructor(credentials: ChannelCredentials) {
    this.#credentials = credentials;
  }

  to(target: NodeTarget): Client {
    const key = `${target.nodeId} ${target.address}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    if (this.#clients.size >= CHANNELS_MAX) this.#closeOldest();
    const client = new Client(target.address, this.#credentials, {
      ...OPTIONS,
      "grpc.ssl_target_name_override": nodeServerName(target.nodeId),
      "grpc.default_authority": nodeServerName(target.nodeId),
    });
    this.#clients.set(key, client);
    return client;
  }

  /**
   * A channel that is connected; null when it cannot be until `deadline` (wall clock). Answers
   * inside the call when it is connected already.
   */
  connected(target: NodeTarget, deadline: number, done: (client: Client | null) => void): void {
    const client = this.to(target);
    const channel = client.getChannel();
    const look = (): void => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) done(client);
      else if (state === connectivityState.TRANSIENT_FAILURE) this.#drop(client, done);
      else if (state === connectivityState.SHUTDOWN) done(null);
      else {
        channel.watchConnectivityState(state, deadline, (late) => {
          if (late) this.#drop(client, done);
          else look();
        });
      }
    };
    look();
  }

  /** A fresh channel dials at once next time, instead of waiting for its backoff. */
  #drop(client: Client, done: (client: null) => void): void {
    for (const [key, known] of this.#clients) {
      if (known === client) this.#clients.delete(key);
    }
    client.close();
    done(null);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #closeOldest(): void {
    for (const [key, client] of this.#clients) {
      client.close();
      this.#clients.delete(key);
      return;
    }
  }
}
