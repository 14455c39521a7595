import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import { err, ok, type Result } from "../lib/result.ts";
import type { Timers } from "../platform/timers.ts";
import type { TlsIdentity } from "../security/certificate-files.ts";
import { HANDSHAKE_MILLIS, HandshakeGuard } from "../security/handshake-guard.ts";
import { gatherWrites } from "./gather-writes.ts";

/**
 * The largest request of any method: a batch submit of 4 MiB in the envelope of a forwarded call.
 * Each service measures its own, smaller or equal, before it decodes (DESIGN §4, Limits).
 */
const RECEIVE_BYTES_MAX = (4 * 1024 + 64) * 1024;
/** Callers look after their connections themselves: this only ends those of callers that vanished. */
const KEEPALIVE_MILLIS = 15_000;
const KEEPALIVE_TIMEOUT_MILLIS = 5000;

export type ListenError =
  | { readonly kind: "port-in-use"; readonly host: string; readonly port: number }
  | { readonly kind: "not-listening"; readonly address: string; readonly detail: string };

/**
 * A node's one gRPC port. TLS ends in a listener of ours, so that only callers whose certificate
 * the cluster's CA has signed ever reach gRPC, and unfinished handshakes stay few and short.
 */
export class GrpcServer {
  /** Services are added here, before `listen`. */
  readonly server: Server;
  readonly #timers: Timers;
  readonly #listener: TlsServer;
  readonly #injector: ConnectionInjector;
  readonly #guard: HandshakeGuard;
  #onDrained: (() => void) | null = null;

  constructor(options: {
    readonly tls: TlsIdentity;
    readonly timers: Timers;
    /** How long a TLS handshake may take; 5 s when not given. */
    readonly handshakeMillis?: number;
  }) {
    this.#timers = options.timers;
    this.server = new Server({
      "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
      "grpc.keepalive_time_ms": KEEPALIVE_MILLIS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MILLIS,
      "grpc.enable_channelz": 0,
    });
    // TLS is done by then: the injected sockets are already encrypted and identified.
    this.#injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = createServer({
      ca: options.tls.caPem,
      cert: options.tls.certificatePem,
      key: options.tls.keyPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["h2"],
      handshakeTimeout: options.handshakeMillis ?? HANDSHAKE_MILLIS,
    });
    this.#guard = new HandshakeGuard(this.#listener, {
      onSecure: (socket) => this.#onSecure(socket),
      onClosed: () => this.#checkDrained(),
    });
  }

  /** The port that is listened on; port 0 takes a free one. */
  listen(address: {
    readonly host: string;
    readonly port: number;
  }): Promise<Result<number, ListenError>> {
    const { host, port } = address;
    const { promise, resolve } = Promise.withResolvers<Result<number, ListenError>>();
    // Stays: an error after this one, such as too many open files, must not end the process.
    this.#listener.on("error", (error: NodeJS.ErrnoException) => {
      const detail = { address: `${host}:${port}`, detail: error.message };
      const isTaken = error.code === "EADDRINUSE";
      resolve(
        err(isTaken ? { kind: "port-in-use", host, port } : { kind: "not-listening", ...detail }),
      );
    });
    this.#listener.listen(port, host, () => {
      const bound = this.#listener.address();
      resolve(ok(typeof bound === "object" && bound !== null ? bound.port : port));
    });
    return promise;
  }

  /** Lets calls under way finish for at most `timeoutMillis`, then cuts them off. */
  stop(timeoutMillis: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const finish = () => {
      cancel();
      this.#onDrained = null;
      this.server.forceShutdown();
      this.#guard.endAll();
      resolve();
    };
    const cancel = this.#timers.after(timeoutMillis, finish);
    // The callback of `tryShutdown` does not wait for injected connections: we count sockets.
    this.#onDrained = finish;
    this.#listener.close();
    this.#guard.endUnfinished();
    this.server.tryShutdown(() => this.#checkDrained());
    return promise;
  }

  #checkDrained(): void {
    if (this.#guard.openCount === 0) this.#onDrained?.();
  }

  #onSecure(socket: TLSSocket): void {
    // The listener refuses the others already; this must not depend on one option alone.
    if (!socket.authorized || socket.alpnProtocol !== "h2") socket.destroy();
    else this.#injector.injectConnection(gatherWrites(rememberCertificate(socket), this.#timers));
  }
}

/**
 * A connection keeps its certificate, so that it is taken out of TLS once and not for each call
 * (it was an eighth of a busy leader's time). Neither TLS 1.3 nor HTTP/2 knows renegotiation.
 */
function rememberCertificate(socket: TLSSocket): TLSSocket {
  const certificate = socket.getPeerCertificate();
  const value = (): typeof certificate => certificate;
  return Object.defineProperty(socket, "getPeerCertificate", { value, configurable: true });
}
