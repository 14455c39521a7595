import { afterEach, describe, expect, test } from "bun:test";
import { Client, type ClientDuplexStream, credentials, Metadata, status } from "@grpc/grpc-js";
import {
  GrpcLab,
  realRandom,
  realTimers,
  silentLogger,
  value,
} from "../../tests/contracts/grpc-transport-lab.ts";
import type { LabNode } from "../../tests/contracts/transport.ts";
import { type Index, NOBODY, type NodeId, type PeerId, type Term } from "../lib/ids.ts";
import type { PeerAddress, TransportEvent } from "../platform/transport.ts";
import type { Message } from "../raft/types.ts";
import type { TlsIdentity } from "../security/certificate-files.ts";
import { decodeFrame, encodeBatch, encodeHello, type Hello } from "./frame-codec.ts";
import { GrpcServer } from "./grpc-server.ts";
import { GrpcTransport, registerRaft } from "./grpc-transport.ts";
import { RAFT_SERVICE, type RaftCall } from "./raft-service.ts";

const lab = new GrpcLab();
const n2 = "n2" as NodeId;
const peer2: PeerAddress = {
  peerId: 2 as PeerId,
  nodeId: n2,
  storeId: "store-2",
  // Nobody is there: these tests speak for the peer themselves.
  address: "127.0.0.1:1",
};
const hello: Hello = {
  clusterId: "blue",
  from: 2 as PeerId,
  to: 1 as PeerId,
  storeId: "store-2",
  life: 11,
  address: peer2.address,
};

let cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
  cleanups = [];
});

describe("a Raft stream", () => {
  test("is never opened by a user, whatever its hello says", async () => {
    const { node, messages } = await startNode();
    const stream = open(node, await lab.user("blue"));

    stream.write(encodeHello(hello));
    stream.write(encodeBatch([heartbeat(1)]));

    expect(await stream.ended).toBe(status.PERMISSION_DENIED);
    expect(messages).toEqual([]);
  });

  test("is not even reached without a certificate, or with another cluster's", async () => {
    const { node, messages } = await startNode();
    const { caPem } = await lab.node("blue", n2);
    const stranger = { ...(await lab.node("red", n2)), caPem };

    for (const tls of [stranger, { caPem, keyPem: "", certificatePem: "" }]) {
      const stream = open(node, tls);
      stream.write(encodeHello(hello));
      expect(await stream.ended).toBe(status.UNAVAILABLE);
    }
    expect(messages).toEqual([]);
  });

  test("takes identity from the certificate, never from metadata", async () => {
    const { node } = await startNode();
    const metadata = new Metadata();
    metadata.set("x-nl-principal", "node/n2");

    const stream = open(node, await lab.user("blue"), metadata);
    stream.write(encodeHello(hello));

    expect(await stream.ended).toBe(status.PERMISSION_DENIED);
  });

  test("ends at once when a peer breaks the protocol", async () => {
    const { node, messages } = await startNode();
    const tls = await lab.node("blue", n2);
    const first: readonly (readonly [string, Buffer, status])[] = [
      ["a batch first", encodeBatch([heartbeat(1)]), status.INVALID_ARGUMENT],
      ["bytes that are no frame", Buffer.from([0x0a, 0xff]), status.INVALID_ARGUMENT],
      ["an empty frame", Buffer.alloc(0), status.INVALID_ARGUMENT],
      ["another cluster", encodeHello({ ...hello, clusterId: "red" }), status.FAILED_PRECONDITION],
      ["another store", encodeHello({ ...hello, storeId: "x" }), status.FAILED_PRECONDITION],
      ["another receiver", encodeHello({ ...hello, to: 5 as PeerId }), status.FAILED_PRECONDITION],
      ["our own id", encodeHello({ ...hello, from: 1 as PeerId }), status.FAILED_PRECONDITION],
      ["a taken name", encodeHello({ ...hello, from: 9 as PeerId }), status.PERMISSION_DENIED],
    ];

    for (const [, frame, code] of first) {
      const stream = open(node, tls);
      stream.write(frame);
      stream.write(encodeBatch([heartbeat(1)]));
      expect(await stream.ended).toBe(code);
    }
    const later = [encodeHello(hello), Buffer.alloc(1024 * 1024 + 1), Buffer.from([0x12, 0xff])];
    for (const frame of later) {
      const stream = open(node, tls);
      stream.write(encodeHello(hello));
      stream.write(frame);
      stream.write(encodeBatch([heartbeat(1)]));
      expect(await stream.ended).toBe(status.INVALID_ARGUMENT);
    }
    expect(messages).toEqual([]);
  });

  test("delivers only what its own peer says to this node", async () => {
    const { node, messages, until } = await startNode();
    const stream = open(node, await lab.node("blue", n2));

    stream.write(encodeHello(hello));
    stream.write(
      encodeBatch([
        { ...heartbeat(1), from: 3 as PeerId },
        { ...heartbeat(2), to: 3 as PeerId },
        heartbeat(3),
      ]),
    );
    await until(() => messages.length > 0);

    expect(messages.map(readSeqOf)).toEqual([3]);
  });

  test("is replaced by the next one of its peer, and then delivers nothing more", async () => {
    const { node, events, messages, until } = await startNode();
    const tls = await lab.node("blue", n2);
    const first = open(node, tls);
    first.write(encodeHello(hello));
    await first.answered;
    const second = open(node, tls);
    second.write(encodeHello(hello));
    await second.answered;

    await first.ended;
    second.write(encodeBatch([heartbeat(2)]));
    await until(() => messages.length > 0);

    expect(messages.map(readSeqOf)).toEqual([2]);
    expect(kinds(events)).toEqual(["peer-opened", "message"]);
  });

  test("of a life that another one has followed is refused for good", async () => {
    const { node, events, messages, until } = await startNode();
    const tls = await lab.node("blue", n2);
    const old = open(node, tls);
    old.write(encodeHello(hello));
    await old.answered;
    const next = open(node, tls);
    next.write(encodeHello({ ...hello, life: 12 }));
    await next.answered;

    const late = open(node, tls);
    late.write(encodeHello(hello));
    late.write(encodeBatch([heartbeat(1)]));
    expect(await late.ended).toBe(status.FAILED_PRECONDITION);
    next.write(encodeBatch([heartbeat(2)]));
    await until(() => messages.length > 0);

    expect(messages.map(readSeqOf)).toEqual([2]);
    expect(kinds(events)).toEqual(["peer-opened", "peer-closed", "peer-opened", "message"]);
  });

  test("to a peer that does not read holds a bounded backlog, and drops the rest", async () => {
    const received: Message[] = [];
    const server = new GrpcServer({ tls: await lab.node("blue", n2), timers: realTimers });
    const started = Promise.withResolvers<() => void>();
    const handlers = {
      connect: (call: RaftCall) => {
        call.on("data", (bytes: Buffer) => {
          const frame = value(decodeFrame(bytes));
          if (frame.kind === "batch") {
            received.push(...frame.messages);
            return;
          }
          const { from: to, to: from } = frame.hello;
          call.write(encodeHello({ ...frame.hello, from, to, storeId: "store-2" }));
          call.pause();
          started.resolve(() => call.resume());
        });
      },
    };
    server.server.addService({ connect: RAFT_SERVICE.connect }, handlers);
    const port = value(await server.listen({ host: "127.0.0.1", port: 0 }));
    cleanups.push(() => server.stop(0));
    const { transport, events, until } = await startNode([
      { ...peer2, address: `127.0.0.1:${port}` },
    ]);
    const resume = await started.promise;
    await until(() => kinds(events).includes("peer-opened"));

    const before = process.memoryUsage.rss();
    for (let i = 1; i <= 400; i++) {
      transport.send(large(i));
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const grown = process.memoryUsage.rss() - before;
    resume();
    while (received.length < 16) await new Promise((resolve) => setImmediate(resolve));

    expect(grown).toBeLessThan(120 * 1024 * 1024);
    const order = received.map((message) => (message.kind === "append" ? message.prevIndex : 0));
    expect(order.length).toBeLessThan(100);
    expect(order).toEqual([...order].sort((x, y) => x - y));
  });
});

async function startNode(peers: readonly PeerAddress[] = [peer2]) {
  const tls = await lab.node("blue", "n1" as NodeId);
  const server = new GrpcServer({ tls, timers: realTimers });
  const port = value(await server.listen({ host: "127.0.0.1", port: 0 }));
  const address = `127.0.0.1:${port}`;
  const self = { peerId: 1 as PeerId, nodeId: "n1" as NodeId, storeId: "store-1", address };
  const ports = { timers: realTimers, random: realRandom, logger: silentLogger };
  const transport = new GrpcTransport({ clusterId: "blue", self, tls, ...ports });
  registerRaft(server.server, transport);
  const events: TransportEvent[] = [];
  const messages: Message[] = [];
  let waiting: (() => void) | null = null;
  transport.setPeers(peers, NOBODY);
  transport.start((event) => {
    // Nobody listens at the peer's address here: that is not what these tests are about.
    if (event.kind !== "peer-refused") events.push(event);
    if (event.kind === "message") messages.push(event.message);
    waiting?.();
  });
  const node: LabNode = { transport, address: self, kill: () => server.stop(0) };
  cleanups.push(() => transport.stop(), node.kill);
  const until = (isMet: () => boolean) =>
    new Promise<void>((resolve) => {
      waiting = () => {
        if (isMet()) resolve();
      };
      waiting();
    });
  return { node, transport, events, messages, until };
}

type RawStream = ClientDuplexStream<Buffer, Buffer> & {
  /** The peer's first frame. */
  readonly answered: Promise<unknown>;
  readonly ended: Promise<status>;
};

function open(node: LabNode, tls: TlsIdentity, metadata = new Metadata()): RawStream {
  const bytes = (pem: string) => (pem === "" ? null : Buffer.from(pem));
  const client = new Client(
    node.address.address,
    credentials.createSsl(Buffer.from(tls.caPem), bytes(tls.keyPem), bytes(tls.certificatePem)),
    { "grpc.ssl_target_name_override": "node-n1", "grpc.use_local_subchannel_pool": 1 },
  );
  const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.connect;
  const stream = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    metadata,
  );
  const answered = new Promise((resolve) => stream.once("data", resolve));
  const ended = new Promise<status>((resolve) =>
    stream.once("status", ({ code }) => resolve(code)),
  );
  stream.on("error", () => {});
  stream.resume();
  cleanups.push(() => client.close());
  return Object.assign(stream, { answered, ended });
}

const heartbeat = (readSeq: number): Message => ({
  from: 2 as PeerId,
  to: 1 as PeerId,
  term: 7 as Term,
  kind: "heartbeat",
  session: 1,
  commit: 3 as Index,
  readSeq,
});

const large = (prevIndex: number): Message => ({
  from: 1 as PeerId,
  to: 2 as PeerId,
  term: 7 as Term,
  kind: "append",
  session: 1,
  prevIndex: prevIndex as Index,
  prevTerm: 7 as Term,
  entries: [
    {
      index: (prevIndex + 1) as Index,
      term: 7 as Term,
      kind: "normal",
      data: new Uint8Array(500 * 1024),
    },
  ],
  commit: 3 as Index,
});

const readSeqOf = (message: Message): number =>
  message.kind === "heartbeat" ? message.readSeq : -1;

const kinds = (events: readonly TransportEvent[]): readonly string[] =>
  events.map((event) => event.kind);
