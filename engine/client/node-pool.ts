import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  connectivityState,
  credentials as grpcCredentials,
} from "@grpc/grpc-js";
import { assert } from "../lib/assert.ts";
import type { NlError } from "../lib/error-code.ts";
import { CLUSTER_SERVER_NAME } from "./cluster-server-name.ts";
import { type Credentials, diagnoseDial } from "./diagnose-dial.ts";

const ADDRESSES_MAX = 256;
/** Addresses that are asked once more why they cannot be reached. */
const DIAGNOSED_MAX = 5;
/** From the first SYN to a TLS session; a node that needs longer is passed over. */
const DIAL_MILLIS = 2_000;
/** An address that just failed is not preferred again for so long, even when it leads. */
const SHUN_MILLIS = 10_000;
/** A node that is silent for so long with a call under way is about to be deposed if it leads. */
const KEEPALIVE_MILLIS = 500;
const KEEPALIVE_TIMEOUT_MILLIS = 1_000;
const RECEIVE_BYTES_MAX = 16 * 1024 * 1024;

const OPTIONS: ClientOptions = {
  "grpc.ssl_target_name_override": CLUSTER_SERVER_NAME,
  "grpc.default_authority": CLUSTER_SERVER_NAME,
  // A frozen node is noticed after at most the sum of the two.
  "grpc.keepalive_time_ms": KEEPALIVE_MILLIS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MILLIS,
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
};

/** The addresses of a cluster, one channel each, and which of them to ask next. */
export class NodePool {
  readonly #credentials: Credentials;
  readonly #channelCredentials: ChannelCredentials;
  readonly #addresses: string[];
  readonly #clients = new Map<string, Client>();
  readonly #failedAt = new Map<string, number>();
  readonly #onLeader: (address: string) => void;
  #current = 0;
  #hasConnected = false;
  #isClosed = false;

  /** Throws when a key does not belong to its certificate, or a text is none of the two. */
  constructor(
    addresses: readonly string[],
    credentials: Credentials,
    onLeader: (address: string) => void = () => {},
  ) {
    assert(addresses.length > 0, "a client knows at least one address");
    this.#addresses = [...new Set(addresses)].slice(0, ADDRESSES_MAX);
    this.#credentials = credentials;
    this.#onLeader = onLeader;
    const { ca, key, cert } = credentials;
    const bytes = (pem: string): Buffer => Buffer.from(pem);
    this.#channelCredentials = grpcCredentials.createSsl(bytes(ca), bytes(key), bytes(cert));
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** The node to ask: the leader if known, else who answered last. */
  get current(): string {
    return this.#addresses[this.#current] ?? "";
  }

  /** True once any node has answered the handshake. */
  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The address after this one. */
  after(address: string): string {
    const at = this.#addresses.indexOf(address);
    return this.#addresses[(at + 1) % this.#addresses.length] ?? "";
  }

  /** Asks another node from now on, unless that was done already. */
  moveOn(from: string): void {
    this.#failedAt.set(from, performance.now());
    if (this.current === from) this.#current = (this.#current + 1) % this.#addresses.length;
  }

  /** Remembers who leads, so that calls need no hop. */
  prefer(address: string): void {
    if (address === this.current) return;
    const failedAt = this.#failedAt.get(address);
    if (failedAt !== undefined && performance.now() - failedAt < SHUN_MILLIS) return;
    this.learn([address]);
    const at = this.#addresses.indexOf(address);
    if (at === -1) return;
    this.#current = at;
    this.#onLeader(address);
  }

  /** Members that this client was not given. */
  learn(addresses: readonly string[]): void {
    for (const address of addresses) {
      if (this.#addresses.length >= ADDRESSES_MAX) return;
      if (!this.#addresses.includes(address)) this.#addresses.push(address);
    }
  }

  /** A channel that is connected, at once when it was; undefined when it cannot be. */
  connected(address: string): Client | Promise<Client | undefined> {
    const client = this.#clientOf(address);
    const state = client.getChannel().getConnectivityState(true);
    return state === connectivityState.READY ? client : this.#dial(address, client);
  }

  /** Why nobody can be reached, when that is so. */
  diagnose(): Promise<NlError> {
    return diagnoseDial(this.#addresses.slice(0, DIAGNOSED_MAX), this.#credentials);
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  async #dial(address: string, client: Client): Promise<Client | undefined> {
    const isReady = await becomesReady(client);
    if (isReady) {
      this.#hasConnected = true;
      return client;
    }
    // A fresh channel dials at once next time, instead of waiting for its backoff.
    if (this.#clients.get(address) === client) {
      this.#clients.delete(address);
      client.close();
    }
    return undefined;
  }

  #clientOf(address: string): Client {
    let client = this.#clients.get(address);
    if (client === undefined) {
      client = new Client(address, this.#channelCredentials, OPTIONS);
      this.#clients.set(address, client);
    }
    return client;
  }
}

function becomesReady(client: Client): Promise<boolean> {
  const deadline = Date.now() + DIAL_MILLIS;
  const channel = client.getChannel();
  return new Promise((resolve) => {
    const look = (): void => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) resolve(true);
      else if (state === connectivityState.TRANSIENT_FAILURE) resolve(false);
      else if (state === connectivityState.SHUTDOWN) resolve(false);
      else
        channel.watchConnectivityState(state, deadline, (late) => (late ? resolve(false) : look()));
    };
    look();
  });
}
