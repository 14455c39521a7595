import { afterEach, describe, expect, test } from "bun:test";
import type { Index, NodeId, PeerId, Term } from "../../engine/lib/ids.ts";
import type { PeerAddress, Transport, TransportEvent } from "../../engine/platform/transport.ts";
import type { Entry, Message } from "../../engine/raft/types.ts";

/** What a node shows when it differs from what the others expect. */
export type NodeOptions = {
  readonly peerId: number;
  readonly nodeId?: string;
  readonly storeId?: string;
  readonly clusterId?: string;
  /** A user's certificate where a node's is due. */
  readonly isUser?: boolean;
  /** The place of a node that was killed. */
  readonly at?: PeerAddress;
};

export type LabNode = {
  readonly transport: Transport;
  readonly address: PeerAddress;
  /** As the process's death looks from outside. */
  kill(): Promise<void>;
};

/** A network of transports of one kind. */
export type TransportLab = {
  create(options: NodeOptions): Promise<LabNode>;
};

/** What every `Transport` promises, on the fake and on the real one. */
export function transportContract(name: string, createLab: () => TransportLab): void {
  describe(`transport contract: ${name}`, () => {
    let running: LabNode[] = [];
    afterEach(async () => {
      for (const node of running) await node.kill();
      running = [];
    });

    async function start(lab: TransportLab, options: NodeOptions): Promise<Member> {
      const node = await lab.create(options);
      running.push(node);
      return new Member(node);
    }

    async function pair(): Promise<{ lab: TransportLab; a: Member; b: Member }> {
      const lab = createLab();
      const a = await start(lab, { peerId: 1 });
      const b = await start(lab, { peerId: 2 });
      introduce([a, b]);
      await Promise.all([a.opened(2), b.opened(1)]);
      return { lab, a, b };
    }

    test("opens once for each peer, both ways", async () => {
      const { a, b } = await pair();

      a.send(heartbeat(1, 2, 1));
      b.send(heartbeat(2, 1, 1));
      await Promise.all([a.received(1), b.received(1)]);

      expect(a.kinds()).toEqual(["peer-opened", "message"]);
      expect(b.kinds()).toEqual(["peer-opened", "message"]);
    });

    test("carries every kind of message unchanged", async () => {
      const { a, b } = await pair();
      const sent = everyKind();

      for (const message of sent) a.send(message);
      await b.received(sent.length);

      expect(b.messages.map(plain)).toEqual(sent.map(plain));
    });

    test("keeps the order per peer, and delivers nothing twice", async () => {
      const { a, b } = await pair();
      const last = 5000;

      for (let i = 1; i <= last; i++) {
        a.send(heartbeat(1, 2, i));
        if (i % 100 === 0) await b.receivedAtLeast(i);
      }

      expect(b.messages.map(readSeqOf)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
    });

    test("may drop from a burst, but never reorders it", async () => {
      const { a, b } = await pair();
      const burst = 20_000;

      for (let i = 1; i <= burst; i++) a.send(heartbeat(1, 2, i));
      await b.receivedAtLeast(1000);
      a.send(heartbeat(1, 2, burst + 1));
      await b.until(() =>
        b.messages
          .slice(-1)
          .map(readSeqOf)
          .includes(burst + 1),
      );

      const order = b.messages.map(readSeqOf);
      expect(order).toEqual([...new Set(order)].sort((x, y) => x - y));
    });

    test("carries large batches whole", async () => {
      const { a, b } = await pair();
      const data = Uint8Array.from({ length: 512 * 1024 }, (_, i) => (i * 31) % 251);

      for (let i = 0; i < 20; i++) {
        a.send(append(1, 2, [entry(i + 1, data)], i));
        if (i % 5 === 4) await b.received(i + 1);
      }
      a.send(append(1, 2, many(3000, 150), 20));
      await b.received(21);

      const appends = b.messages.filter((message) => message.kind === "append");
      const large = appends.slice(0, 20);
      const hashes = large.map(({ entries: [first] }) => Bun.hash(first?.data ?? ""));
      expect(large.map(({ prevIndex }) => prevIndex as number)).toEqual([...large.keys()]);
      expect(new Set(hashes)).toEqual(new Set([Bun.hash(data)]));
      expect(appends[20]?.entries).toHaveLength(3000);
    });

    test("reports nothing inside a call of its owner", async () => {
      const { a, b } = await pair();

      a.during(() => a.send(heartbeat(1, 2, 1)));
      await b.received(1);
      a.during(() => a.setPeers([], 3));
      await Promise.all([a.closed(2), b.closed(1)]);

      expect(a.surprises).toBe(0);
    });

    test("drops what is sent to a stranger or to itself", async () => {
      const { a, b } = await pair();

      a.send(heartbeat(1, 9, 1));
      a.send(heartbeat(1, 1, 2));
      a.send(heartbeat(1, 2, 3));
      await b.received(1);

      expect(b.messages.map(readSeqOf)).toEqual([3]);
      expect(a.messages).toEqual([]);
    });

    test("tells that a killed peer closed, and that redials are refused, within a second", async () => {
      const { a, b } = await pair();
      const from = performance.now();

      await b.node.kill();
      await a.refused(2);
      const millis = performance.now() - from;
      await a.refused(2);

      expect(millis).toBeLessThan(1000);
      const refusedAt = a.kinds().indexOf("peer-refused");
      expect(a.kinds()[refusedAt - 1]).toBe("peer-closed");
      expect(a.count("peer-closed", 2)).toBe(a.count("peer-opened", 2));
    });

    test("delivers nothing to a new life that was meant for the one before", async () => {
      const { lab, a, b } = await pair();

      for (let i = 1; i <= 500; i++) a.send(heartbeat(1, 2, i));
      await b.node.kill();
      for (let i = 501; i <= 1000; i++) a.send(heartbeat(1, 2, i));
      await a.closed(2);
      for (let i = 1001; i <= 1500; i++) a.send(heartbeat(1, 2, i));
      const next = await start(lab, { peerId: 2, at: b.node.address });
      introduce([next, a]);
      await Promise.all([a.opened(2), next.opened(1)]);
      a.send(heartbeat(1, 2, 2000));
      next.send(heartbeat(2, 1, 7));
      await Promise.all([next.received(1), a.received(1)]);

      expect(next.messages.map(readSeqOf)).toEqual([2000]);
      expect(a.messages.map(readSeqOf)).toEqual([7]);
    });

    test("closes the links to peers that left the table, lets them in no more and says so", async () => {
      const { lab, a, b } = await pair();

      a.setPeers([], 3);
      await Promise.all([a.closed(2), b.closed(1), b.toldRemoved(1)]);
      const good = await start(lab, { peerId: 3 });
      await meet(good, a);
      b.send(heartbeat(2, 1, 1));
      good.send(heartbeat(3, 1, 2));
      await a.received(1);

      expect(a.messages.map(readSeqOf)).toEqual([2]);
      expect(a.count("peer-opened", 2)).toBe(1);
    });

    const intruders: readonly (readonly [string, NodeOptions])[] = [
      ["another data directory", { peerId: 2, storeId: "wiped" }],
      ["another cluster", { peerId: 2, clusterId: "red" }],
      ["another node's id", { peerId: 2, nodeId: "n9" }],
      ["another peer's name", { peerId: 9, nodeId: "n2" }],
      ["a user's certificate", { peerId: 2, isUser: true }],
    ];
    for (const [what, options] of intruders) {
      test(`P31, P50: refuses a peer that shows ${what}`, async () => {
        const lab = createLab();
        const a = await start(lab, { peerId: 1 });
        const bad = await start(lab, options);
        const expected = { peerId: 2, nodeId: "n2", storeId: "store-2" };
        a.setPeers([{ ...bad.node.address, ...expected } as PeerAddress]);
        a.start();
        bad.setPeers([a.node.address]);
        bad.start();

        const good = await start(lab, { peerId: 3 });
        await meet(good, a);
        bad.send(heartbeat(options.peerId, 1, 1));
        for (const id of [2, 9]) a.send(heartbeat(1, id, 1));
        good.send(heartbeat(3, 1, 2));
        await a.received(1);

        expect(a.messages.map(readSeqOf)).toEqual([2]);
        expect(a.count("peer-opened", 2) + a.count("peer-opened", 9)).toBe(0);
        expect(bad.messages).toEqual([]);
      });
    }

    test("refuses a caller who meant another peer", async () => {
      const lab = createLab();
      const a = await start(lab, { peerId: 1 });
      const b = await start(lab, { peerId: 2 });
      a.start();
      b.setPeers([{ ...a.node.address, peerId: 5 as PeerId }]);
      b.start();

      const good = await start(lab, { peerId: 3 });
      await meet(good, a);

      expect(a.count("peer-opened", 2)).toBe(0);
      expect(b.kinds()).not.toContain("peer-opened");
    });

    test("lets in a node that is not in the table yet, and checks it again when it is", async () => {
      const lab = createLab();
      const a = await start(lab, { peerId: 1 });
      const b = await start(lab, { peerId: 2 });
      a.start();

      await meet(b, a);
      b.send(heartbeat(2, 1, 1));
      await a.received(1);
      a.send(heartbeat(1, 2, 2));
      await b.received(1);
      a.setPeers([b.node.address]);
      a.send(heartbeat(1, 2, 3));
      await b.received(2);
      a.setPeers([{ ...b.node.address, storeId: "another" }]);

      await Promise.all([a.closed(2), b.closed(1)]);
    });

    test("is silent after it has been stopped", async () => {
      const { a, b } = await pair();

      a.node.transport.stop();
      const before = a.kinds().length;
      b.send(heartbeat(2, 1, 1));
      await b.closed(1);

      expect(a.kinds().length).toBe(before);
    });

    /** Starts `joining` and waits until it and `member` see each other. */
    async function meet(joining: Member, member: Member): Promise<void> {
      joining.setPeers([member.node.address]);
      joining.start();
      const { peerId } = joining.node.address;
      await Promise.all([joining.opened(member.node.address.peerId), member.opened(peerId)]);
    }
  });
}

type Awaited = "peer-opened" | "peer-closed" | "peer-refused" | "removed-by";

/** A transport under test, its table of peers and what it has reported. */
class Member {
  readonly node: LabNode;
  readonly events: TransportEvent[] = [];
  readonly messages: Message[] = [];
  /** Events that came while the owner was inside a call. */
  surprises = 0;
  #isInside = false;
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];
  #awaited = new Map<string, number>();

  constructor(node: LabNode) {
    this.node = node;
  }

  start(): void {
    this.node.transport.start((event) => {
      if (this.#isInside) this.surprises += 1;
      this.events.push(event);
      if (event.kind === "message") this.messages.push(event.message);
      const waiting = this.#waiting;
      this.#waiting = waiting.filter(({ isMet }) => !isMet());
      for (const wait of waiting) if (!this.#waiting.includes(wait)) wait.resolve();
    });
  }

  setPeers(peers: readonly PeerAddress[], nextPeerId = 1): void {
    this.node.transport.setPeers(peers, nextPeerId as PeerId);
  }

  send(message: Message): void {
    this.node.transport.send(message);
  }

  during(call: () => void): void {
    this.#isInside = true;
    call();
    this.#isInside = false;
  }

  kinds(): readonly string[] {
    return this.events.map((event) => event.kind);
  }

  count(kind: Awaited, peer: number): number {
    return this.events.filter((event) => event.kind === kind && event.peer === peer).length;
  }

  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ isMet, resolve }));
  }

  received = (count: number) => this.until(() => this.messages.length === count);
  receivedAtLeast = (count: number) => this.until(() => this.messages.length >= count);
  opened = (peer: number) => this.#next("peer-opened", peer);
  closed = (peer: number) => this.#next("peer-closed", peer);
  refused = (peer: number) => this.#next("peer-refused", peer);
  toldRemoved = (peer: number) => this.#next("removed-by", peer);

  /** The first such event that has not been awaited before, whether it came already or not. */
  #next(kind: Awaited, peer: number): Promise<void> {
    const nth = (this.#awaited.get(`${kind} ${peer}`) ?? 0) + 1;
    this.#awaited.set(`${kind} ${peer}`, nth);
    return this.until(() => this.count(kind, peer) >= nth);
  }
}

/** Gives each member the addresses of the others, and starts those that do not run yet. */
function introduce(members: readonly Member[]): void {
  for (const member of members) {
    member.setPeers(members.filter((other) => other !== member).map(({ node }) => node.address));
    if (member.events.length === 0) member.start();
  }
}

const head = (from: number, to: number) => ({
  from: from as PeerId,
  to: to as PeerId,
  term: 7 as Term,
});

const heartbeat = (from: number, to: number, readSeq: number): Message => ({
  ...head(from, to),
  kind: "heartbeat",
  session: 1,
  commit: 3 as Index,
  readSeq,
});

const readSeqOf = (message: Message): number =>
  message.kind === "heartbeat" ? message.readSeq : -1;

const entry = (index: number, data: Uint8Array): Entry => ({
  index: index as Index,
  term: 7 as Term,
  kind: "normal",
  data,
});

const many = (count: number, bytes: number): readonly Entry[] =>
  Array.from({ length: count }, (_, i) => entry(21 + i, new Uint8Array(bytes).fill(i)));

const append = (from: number, to: number, entries: readonly Entry[], prev: number): Message => ({
  ...head(from, to),
  kind: "append",
  session: 1,
  prevIndex: prev as Index,
  prevTerm: 7 as Term,
  entries,
  commit: 3 as Index,
});

function everyKind(): readonly Message[] {
  const at = head(1, 2);
  const largest = Number.MAX_SAFE_INTEGER as Index;
  const conf = { voters: [1, 2] as PeerId[], votersOutgoing: [], learnersNext: [] };
  const snapshot = {
    index: 9 as Index,
    term: 6 as Term,
    conf: { ...conf, learners: [3 as PeerId], autoLeave: true },
    id: "s-9",
    bytes: 12345,
    sha256: "ab".repeat(32),
  };
  const session = 4;
  const entries = [
    { ...entry(6, new Uint8Array()), kind: "noop" },
    { ...entry(7, Uint8Array.of(0, 255, 128)), kind: "conf" },
    entry(8, Uint8Array.of(1, 2, 3)),
  ] as const;
  const hint = { hintIndex: 3 as Index, hintTerm: 2 as Term };
  const last = { lastIndex: largest, lastTerm: 7 as Term };
  return [
    { ...at, kind: "vote", pre: true, ...last, transfer: true },
    { ...at, kind: "vote-reply", pre: false, granted: true },
    append(1, 2, entries, 5),
    append(1, 2, [], 0),
    {
      ...at,
      kind: "append-reply",
      session,
      index: largest,
      reject: true,
      ...hint,
      lag: 5,
      lost: true,
    },
    { ...at, kind: "heartbeat", session, commit: 0 as Index, readSeq: Number.MAX_SAFE_INTEGER },
    { ...at, kind: "heartbeat-reply", session, readSeq: 2, lag: 0, lost: false },
    { ...at, kind: "snapshot", session, snapshot },
    { ...at, kind: "timeout-now" },
    { ...at, kind: "read-index", ctx: 2 ** 53 - 1 },
    { ...at, kind: "read-index-reply", ctx: 1, index: 8 as Index },
  ];
}

/** Entry data as plain numbers: a Buffer and a Uint8Array with the same bytes are the same. */
const plain = (message: Message): unknown =>
  message.kind === "append"
    ? { ...message, entries: message.entries.map((e) => ({ ...e, data: [...e.data] })) }
    : message;

export const nodeIdOf = (options: NodeOptions): NodeId =>
  (options.nodeId ?? `n${options.peerId}`) as NodeId;
