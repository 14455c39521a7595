import { afterEach, describe, expect, test } from "bun:test";
import { bunTimers } from "../../engine/bun-platform.ts";
import type { NodeId, PeerId, Term } from "../../engine/lib/ids.ts";
import { ok } from "../../engine/lib/result.ts";
import type { SnapshotLink, SnapshotMessage } from "../../engine/platform/snapshot-link.ts";
import type { SnapshotStore } from "../../engine/platform/snapshot-store.ts";
import type { PeerAddress } from "../../engine/platform/transport.ts";
import type { SnapshotMeta } from "../../engine/raft/types.ts";
import {
  MemorySnapshots,
  type SnapshotMemory,
  snapshotMemory,
} from "../../engine/storage/memory-snapshots.ts";
import { metaOf } from "./snapshot-store.ts";

export type LinkNodeOptions = {
  readonly peerId: number;
  readonly store: SnapshotStore;
  readonly storeId?: string;
  /** A user's certificate where a node's is due. */
  readonly isUser?: boolean;
  /** The place of a node that was killed. */
  readonly at?: PeerAddress;
};

export type LinkNode = {
  readonly link: SnapshotLink;
  readonly address: PeerAddress;
  /** As the replica does: for the handshakes and for the link. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** As the process's death looks from outside. */
  kill(): Promise<void>;
};

export type SnapshotLinkLab = {
  /** Its links send pieces of so many bytes, and so many of them ahead of the receiver. */
  readonly chunkBytes: number;
  readonly windowBytes: number;
  create(options: LinkNodeOptions): Promise<LinkNode>;
};

const CHUNKS = 6;

/** What every `SnapshotLink` promises, on the fake and on the real one. */
export function snapshotLinkContract(name: string, createLab: () => SnapshotLinkLab): void {
  describe(`snapshot link contract: ${name}`, () => {
    let running: LinkNode[] = [];
    afterEach(async () => {
      for (const node of running) await node.kill();
      running = [];
    });

    const lab = createLab();
    const bytes = Uint8Array.from(
      { length: lab.chunkBytes * CHUNKS - 100 },
      (_, at) => at * 7 + (at >> 8),
    );
    const snapshot = metaOf("n1-9", bytes);

    async function start(
      peerId: number,
      options: Partial<LinkNodeOptions> & { readonly memory?: SnapshotMemory } = {},
    ): Promise<Member> {
      const { memory = snapshotMemory(), ...others } = options;
      const store = new WatchedStore(new MemorySnapshots(timers, memory));
      const node = await lab.create({ peerId, store, ...others });
      running.push(node);
      return new Member(node, store, memory);
    }

    const holder = () => start(1, { memory: snapshotMemory([[snapshot.id, bytes]]) });

    test("delivers a snapshot whole, and tells both sides once", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);

      expect(await a.sends(offer(snapshot))).toBe(true);

      await b.arrivals(1);
      expect(b.arrived).toEqual([offer(snapshot)]);
      expect(await b.read(snapshot)).toEqual(bytes);
    });

    test("ships nothing again that is there already", async () => {
      const memory = snapshotMemory([[snapshot.id, bytes]]);
      const [a, b] = [await holder(), await start(2, { memory })];
      introduce([a, b]);

      expect(await a.sends(offer(snapshot))).toBe(true);

      await b.arrivals(1);
      expect(b.store.receivedAt).toEqual([]);
    });

    test("goes on where it was cut, at every boundary between two pieces", async () => {
      const a = await holder();
      let b = await start(2);
      const { memory } = b;
      introduce([a, b]);
      for (let cut = 1; cut < CHUNKS; cut++) {
        b.store.hold();
        const sent = a.sends(offer(snapshot));
        await b.store.when(1);
        await b.node.kill();
        expect(await sent).toBe(false);
        b = await start(2, { memory, at: b.node.address });
        introduce([a, b]);
      }

      expect(await a.sends(offer(snapshot))).toBe(true);

      expect(b.store.receivedAt).toEqual([(CHUNKS - 1) * lab.chunkBytes]);
      expect(await b.read(snapshot)).toEqual(bytes);
    });

    test("refuses bytes that are not the announced ones, and starts over the next time", async () => {
      const rotten = bytes.slice();
      rotten[777] = (rotten[777] ?? 0) ^ 1;
      // What stands in the sender's store under this name was verified, and rots on the way.
      const memory = snapshotMemory([[snapshot.id, bytes]]);
      const [a, b] = [await start(1, { memory }), await start(2)];
      introduce([a, b]);
      a.store.tamper = (offset, chunk) => rotten.slice(offset, offset + chunk.length);

      expect(await a.sends(offer(snapshot))).toBe(false);
      expect(b.arrived).toEqual([]);
      a.store.tamper = null;
      expect(await a.sends(offer(snapshot))).toBe(true);
      expect(await b.read(snapshot)).toEqual(bytes);
    });

    test("a later snapshot for the same peer takes the place of the one under way", async () => {
      const later = bytes.slice().reverse();
      const next = metaOf("n1-10", later);
      const memory = snapshotMemory([
        [snapshot.id, bytes],
        [next.id, later],
      ]);
      const [a, b] = [await start(1, { memory }), await start(2)];
      introduce([a, b]);
      const first = a.sends(offer(snapshot));
      await b.store.when(2);

      const second = a.sends(offer(next));

      expect(await Promise.all([first, second])).toEqual([false, true]);
      await b.arrivals(1);
      expect(b.arrived).toEqual([offer(next)]);
    });

    test("two peers are served side by side", async () => {
      const [a, b, c] = [await holder(), await start(2), await start(3)];
      introduce([a, b, c]);

      const sent = [a.sends(offer(snapshot)), a.sends({ ...offer(snapshot), to: 3 as PeerId })];

      expect(await Promise.all(sent)).toEqual([true, true]);
      expect(await c.read(snapshot)).toEqual(bytes);
    });

    test("reads no further ahead than its window when the receiver is slow", async () => {
      const long = new Uint8Array(lab.windowBytes + 8 * lab.chunkBytes).fill(7);
      const meta = metaOf("n1-long", long);
      const memory = snapshotMemory([[meta.id, long]]);
      const [a, b] = [await start(1, { memory }), await start(2)];
      introduce([a, b]);
      const release = b.store.hold();

      const sent = a.sends(offer(meta));
      await b.store.when(1);
      await a.store.quiet();
      const ahead = a.store.readUpTo;
      release();

      expect(ahead).toBeLessThanOrEqual(lab.windowBytes + lab.chunkBytes);
      expect(await sent).toBe(true);
    });

    test("delivers to nobody that it does not know, or that is not there", async () => {
      const a = await holder();
      const gone = await start(2);
      await gone.node.kill();

      expect(await a.sends(offer(snapshot))).toBe(false);
      introduce([a, gone]);
      expect(await a.sends(offer(snapshot))).toBe(false);
    });

    test("cuts a transfer to a peer that leaves the table", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);
      b.store.hold();
      const sent = a.sends(offer(snapshot));
      await b.store.when(1);

      a.node.setPeers([]);

      expect(await sent).toBe(false);
      expect(b.arrived).toEqual([]);
    });

    test("a stopped link says nothing any more, and the other side learns of it", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);
      let told = 0;
      b.store.hold();
      a.node.link.send(offer(snapshot), () => {
        told += 1;
      });
      await b.store.when(1);

      a.node.link.stop();
      await b.store.release();

      expect(told).toBe(0);
      expect(b.arrived).toEqual([]);
    });

    test("a receiver that stops ends the transfer", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);
      b.store.hold();
      const sent = a.sends(offer(snapshot));
      await b.store.when(1);

      b.node.link.stop();

      expect(await sent).toBe(false);
      expect(b.arrived).toEqual([]);
    });

    test("a user's certificate sends no snapshot", async () => {
      const a = await start(1, { isUser: true, memory: snapshotMemory([[snapshot.id, bytes]]) });
      const b = await start(2);
      introduce([a, b]);

      expect(await a.sends(offer(snapshot))).toBe(false);
      expect(b.store.receivedAt).toEqual([]);
    });

    test("a sender with another data directory than it joined with is refused", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);
      b.node.setPeers([{ ...a.node.address, storeId: "another" }]);

      expect(await a.sends(offer(snapshot))).toBe(false);
      expect(b.store.receivedAt).toEqual([]);
    });

    test("a receiver with another data directory than it joined with gets nothing", async () => {
      const [a, b] = [await holder(), await start(2)];
      introduce([a, b]);
      a.node.setPeers([{ ...b.node.address, storeId: "another" }]);

      expect(await a.sends(offer(snapshot))).toBe(false);
      expect(b.store.receivedAt).toEqual([]);
    });
  });
}

const timers = bunTimers();

const offer = (snapshot: SnapshotMeta): SnapshotMessage => ({
  kind: "snapshot",
  from: 1 as PeerId,
  to: 2 as PeerId,
  term: 3 as Term,
  session: 5,
  snapshot,
});

function introduce(members: readonly Member[]): void {
  for (const member of members) {
    const others = members.filter((other) => other !== member);
    member.node.setPeers(others.map(({ node }) => node.address));
  }
}

/** A store that tells what it is asked, and can be made to wait. */
class WatchedStore implements SnapshotStore {
  readonly create: SnapshotStore["create"];
  readonly received: SnapshotStore["received"];
  readonly verify: SnapshotStore["verify"];
  readonly keepOnly: SnapshotStore["keepOnly"];
  readonly receivedAt: number[] = [];
  readUpTo = 0;
  tamper: ((offset: number, chunk: Uint8Array) => Uint8Array) | null = null;
  readonly #inner: SnapshotStore;
  #held: (() => void)[] | null = null;
  #waiting: { readonly count: number; readonly met: () => void }[] = [];

  constructor(inner: SnapshotStore) {
    this.#inner = inner;
    this.create = inner.create.bind(inner);
    this.received = inner.received.bind(inner);
    this.verify = inner.verify.bind(inner);
    this.keepOnly = inner.keepOnly.bind(inner);
  }

  readChunk: SnapshotStore["readChunk"] = (snapshot, offset, maxBytes, done) => {
    this.#inner.readChunk(snapshot, offset, maxBytes, (read) => {
      this.readUpTo = Math.max(this.readUpTo, offset + (read.ok ? read.value.length : 0));
      done(read.ok && this.tamper !== null ? ok(this.tamper(offset, read.value)) : read);
    });
  };

  receive: SnapshotStore["receive"] = (snapshot, offset, bytes, done) => {
    this.receivedAt.push(offset);
    this.#inner.receive(snapshot, offset, bytes, (received) => {
      const held = this.#held;
      if (held === null) done(received);
      else held.push(() => done(received));
      for (const { count, met } of this.#waiting) if (this.receivedAt.length >= count) met();
    });
  };

  /** Resolves once so many pieces were received. */
  when(count: number): Promise<void> {
    return new Promise((met) => this.#waiting.push({ count, met }));
  }

  /** From now on no piece is answered, until the returned function is called. */
  hold(): () => void {
    this.#held = [];
    return () => {
      const held = this.#held ?? [];
      this.#held = null;
      for (const tell of held) tell();
    };
  }

  /** Answers what was held; resolves a few turns later. */
  async release(): Promise<void> {
    const held = this.#held ?? [];
    this.#held = null;
    for (const tell of held) tell();
    await quietTurns();
  }

  /** Nothing more was read for some turns. */
  async quiet(): Promise<void> {
    for (let before = -1; before !== this.readUpTo; await quietTurns()) before = this.readUpTo;
  }
}

/** Long for what goes through this process and loopback. */
const quietTurns = (): Promise<void> => Bun.sleep(50);

class Member {
  readonly node: LinkNode;
  readonly store: WatchedStore;
  /** Outlives the process. */
  readonly memory: SnapshotMemory;
  readonly arrived: SnapshotMessage[] = [];
  #onArrival: () => void = () => {};

  constructor(node: LinkNode, store: WatchedStore, memory: SnapshotMemory) {
    this.node = node;
    this.memory = memory;
    this.store = store;
    node.link.start((message) => {
      this.arrived.push(message);
      this.#onArrival();
    });
  }

  sends(message: SnapshotMessage): Promise<boolean> {
    return new Promise((resolve) => this.node.link.send(message, resolve));
  }

  arrivals(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = () => {
        if (this.arrived.length >= count) resolve();
      };
      this.#onArrival();
    });
  }

  read(snapshot: SnapshotMeta): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.store.readChunk(snapshot, 0, snapshot.bytes, (read) => {
        if (read.ok) resolve(read.value);
        else reject(new Error(read.error.detail));
      });
    });
  }
}

export const nodeIdOf = (peerId: number): NodeId => `n${peerId}` as NodeId;
