import type { PeerId } from "../../lib/ids.ts";
import type { Transport, TransportEvent } from "../../platform/transport.ts";
import type { Message } from "../../raft/types.ts";
import type { FakeWorld } from "./fake-world.ts";

const HOP_MILLIS = 1;

type Listener = (event: TransportEvent) => void;

/** A network of one data centre: 1 ms a hop, and processes that can die. */
export class FakeNetwork {
  readonly #world: FakeWorld;
  readonly #listening = new Map<PeerId, Listener>();
  readonly #cut = new Set<PeerId>();
  messageCount = 0;

  constructor(world: FakeWorld) {
    this.#world = world;
  }

  transportOf(self: PeerId): Transport {
    return {
      start: (onEvent) => this.#join(self, onEvent),
      setPeers: () => {},
      send: (message) => this.#send(message),
      stop: () => this.#leave(self),
    };
  }

  /** Silent loss: nothing arrives from or at `peer`, and nobody is told. */
  cut(peer: PeerId): void {
    this.#cut.add(peer);
  }

  /** `by` tells `peer` that it is no member any more. */
  expel(peer: PeerId, by: PeerId): void {
    this.#tell(peer, { kind: "removed-by", peer: by, detail: `peer ${peer} was removed` });
  }

  heal(): void {
    this.#cut.clear();
  }

  isReachable(from: PeerId, to: PeerId): boolean {
    return !this.#cut.has(from) && !this.#cut.has(to);
  }

  #send(message: Message): void {
    this.messageCount += 1;
    if (!this.isReachable(message.from, message.to)) return;
    if (!this.#listening.has(message.from)) return;
    this.#tell(message.to, { kind: "message", message });
  }

  #join(self: PeerId, onEvent: Listener): void {
    for (const peer of this.#listening.keys()) {
      this.#tell(peer, { kind: "peer-opened", peer: self });
      this.#world.timers.after(HOP_MILLIS, () => onEvent({ kind: "peer-opened", peer }));
    }
    this.#listening.set(self, onEvent);
  }

  #leave(self: PeerId): void {
    this.#listening.delete(self);
    for (const peer of this.#listening.keys()) {
      this.#tell(peer, { kind: "peer-closed", peer: self });
      this.#tell(peer, { kind: "peer-refused", peer: self });
    }
  }

  #tell(peer: PeerId, event: TransportEvent): void {
    this.#world.timers.after(HOP_MILLIS, () => this.#listening.get(peer)?.(event));
  }
}
