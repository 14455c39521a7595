import type { TLSSocket } from "node:tls";
import type { Timers } from "../platform/timers.ts";

/** So much is sent without waiting for the end of the turn. */
const GATHERED_BYTES_MAX = 64 * 1024;

/**
 * A view of `socket` in which what is written during one turn of the event loop leaves at its end,
 * together. HTTP/2 writes every answer by itself: a TLS record and a system call each, which was a
 * fifth of the time of a server under many small calls, and as much again for its clients.
 *
 * The view hides the handle by which the runtime's HTTP/2 goes past `write`. It stays an instance of
 * `TLSSocket`, as gRPC asks who is calling only of such.
 */
export function gatherWrites(socket: TLSSocket, timers: Timers): TLSSocket {
  const gathered = new GatheredWrites(socket, timers);
  const instead = new Map<string | symbol, unknown>([
    ["_handle", undefined],
    ["write", gathered.write],
    ["end", gathered.before("end")],
    ["destroy", gathered.before("destroy")],
    ["destroySoon", gathered.before("destroySoon")],
  ]);
  return new Proxy(socket, {
    get(target, name) {
      if (instead.has(name)) return instead.get(name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

type WriteArguments = Parameters<TLSSocket["write"]>;

class GatheredWrites {
  readonly #socket: TLSSocket;
  readonly #timers: Timers;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(socket: TLSSocket, timers: Timers) {
    this.#socket = socket;
    this.#timers = timers;
  }

  /** False, like every stream's: no more until "drain". */
  readonly write = (...[chunk, ...rest]: WriteArguments): boolean => {
    if (typeof chunk === "string" || rest.length > 0) {
      this.#flush();
      return this.#socket.write(chunk, ...rest);
    }
    if (this.#parts.length === 0) this.#timers.soon(() => this.#flush());
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= GATHERED_BYTES_MAX) this.#flush();
    return !this.#socket.writableNeedDrain;
  };

  /** The method of that name, once everything that was written is on its way. */
  before(name: "end" | "destroy" | "destroySoon"): (...rest: readonly unknown[]) => unknown {
    return (...rest) => {
      this.#flush();
      return Reflect.apply(this.#socket[name], this.#socket, rest);
    };
  }

  #flush(): void {
    const parts = this.#parts;
    const [first] = parts;
    this.#parts = [];
    this.#bytes = 0;
    if (first === undefined || this.#socket.destroyed) return;
    this.#socket.write(parts.length === 1 ? first : Buffer.concat(parts));
  }
}
