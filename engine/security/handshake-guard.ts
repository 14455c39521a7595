import type { TLSSocket, Server as TlsServer } from "node:tls";
import { HandshakeLimits } from "./handshake-limits.ts";

/** DESIGN §4, Limits: to be given to the listener, which ends what takes longer. */
export const HANDSHAKE_MILLIS = 5000;

/**
 * Keeps the unfinished handshakes of a TLS listener few, and knows its connections. `onSecure` gets
 * each one whose handshake has ended; what becomes of it is the caller's to decide.
 */
export class HandshakeGuard {
  readonly #limits = new HandshakeLimits();
  readonly #onClosed: () => void;
  readonly #sockets = new Set<TLSSocket>();
  readonly #unfinished = new Map<TLSSocket, string>();

  constructor(
    listener: TlsServer,
    hooks: { readonly onSecure: (socket: TLSSocket) => void; readonly onClosed: () => void },
  ) {
    this.#onClosed = hooks.onClosed;
    listener.on("connection", (socket: TLSSocket) => this.#onConnection(socket));
    listener.on("secureConnection", (socket) => {
      this.#onHandshakeEnd(socket);
      hooks.onSecure(socket);
    });
    listener.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** Connections, whatever has become of their handshakes. */
  get openCount(): number {
    return this.#sockets.size;
  }

  endUnfinished(): void {
    for (const socket of this.#unfinished.keys()) socket.destroy();
  }

  endAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #onConnection(socket: TLSSocket): void {
    const address = socket.remoteAddress ?? "";
    socket.on("error", () => socket.destroy());
    if (!this.#limits.begin(address)) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#unfinished.set(socket, address);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#onHandshakeEnd(socket);
      this.#onClosed();
    });
  }

  #onHandshakeEnd(socket: TLSSocket): void {
    const address = this.#unfinished.get(socket);
    if (address === undefined) return;
    this.#unfinished.delete(socket);
    this.#limits.end(address);
  }
}
