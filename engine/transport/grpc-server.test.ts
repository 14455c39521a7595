import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { credentials, status } from "@grpc/grpc-js";
import { NodesClient, type NodesServer, NodesService } from "../../proto/gen/nl/v1/nodes.ts";
import { GrpcLab, realTimers, value } from "../../tests/contracts/grpc-transport-lab.ts";
import type { NodeId } from "../lib/ids.ts";
import { HandshakeLimits } from "../security/handshake-limits.ts";
import { GrpcServer } from "./grpc-server.ts";

const lab = new GrpcLab();
const tls = await lab.node("blue", "n1" as NodeId);

let cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
  cleanups = [];
});

describe("a node's gRPC server", () => {
  test("names the port when somebody else has it", async () => {
    const { port } = await start();
    const second = new GrpcServer({ tls, timers: realTimers });

    const result = await second.listen({ host: "127.0.0.1", port });

    expect(result).toEqual({ ok: false, error: { kind: "port-in-use", host: "127.0.0.1", port } });
    await second.stop(0);
  });

  test("says which address it cannot listen on, and why", async () => {
    const server = new GrpcServer({ tls, timers: realTimers });

    const result = await server.listen({ host: "192.0.2.1", port: 7 });

    expect(result).toMatchObject({
      ok: false,
      error: { kind: "not-listening", address: "192.0.2.1:7" },
    });
    await server.stop(0);
  });

  test("takes no request above every method's limit, and answers that one at once", async () => {
    const { client, drained } = await start();

    expect(await drain(client, "n1")).toBe(status.OK);
    expect(await drain(client, "n".repeat(5 * 1024 * 1024))).toBe(status.RESOURCE_EXHAUSTED);
    expect(drained).toEqual(["n1"]);
  });

  test("takes 100 unfinished handshakes of one address, and still serves who is in", async () => {
    const { client, port } = await start({ handshakeMillis: 300 });
    expect(await drain(client, "n1")).toBe(status.OK);
    const sockets = await Promise.all(Array.from({ length: 130 }, () => silentSocket(port)));

    const closed = sockets.map(({ closed }) => closed);
    await Promise.any(closed);
    expect(await drain(client, "n2")).toBe(status.OK);
    await Promise.all(closed);
    const early = sockets.filter(({ millis }) => millis() < 250).length;

    expect(early).toBe(30);
    expect(await drain(connectTo(port), "n3")).toBe(status.OK);
  });

  test("sends the answers of one turn together", async () => {
    const { client, port } = await start({ delayMillis: 50 });
    expect(await drain(client, "n1")).toBe(status.OK);
    const write = spyOn(TLSSocket.prototype, "write");
    cleanups.push(() => write.mockRestore());

    const answers = await Promise.all(Array.from({ length: 50 }, () => drain(client, "n2")));

    expect(answers.filter((answer) => answer === status.OK)).toHaveLength(50);
    const ours = write.mock.contexts.filter(
      (socket) => socket instanceof TLSSocket && socket.localPort === port,
    );
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.length).toBeLessThan(25);
  });

  test("refuses plain text and a client without a certificate", async () => {
    const { port, drained } = await start();
    const bare = new NodesClient(
      `127.0.0.1:${port}`,
      credentials.createSsl(Buffer.from(tls.caPem)),
      channelOptions,
    );
    const plain = new NodesClient(`127.0.0.1:${port}`, credentials.createInsecure());
    cleanups.push(
      () => bare.close(),
      () => plain.close(),
    );

    expect(await drain(bare, "n1")).toBe(status.UNAVAILABLE);
    expect(await drain(plain, "n1")).toBe(status.UNAVAILABLE);
    expect(drained).toEqual([]);
  });

  test("lets a call under way finish when it stops, and cuts one that does not", async () => {
    const slow = await start({ delayMillis: 100 });
    const finished = drain(slow.client, "n1");
    await slow.called;
    await slow.server.stop(2000);
    expect(await finished).toBe(status.OK);

    const stuck = await start({ delayMillis: 60_000 });
    const cut = drain(stuck.client, "n1");
    await stuck.called;
    await stuck.server.stop(50);
    expect(await cut).toBe(status.UNAVAILABLE);
  });
});

describe("handshake limits", () => {
  test("count per address and in all, and forget what has ended", () => {
    const limits = new HandshakeLimits();
    const begun = (address: string) => {
      let count = 0;
      while (count < 2000 && limits.begin(address)) count += 1;
      return count;
    };

    expect(begun("a")).toBe(100);
    limits.end("a");
    expect(begun("a")).toBe(1);
    for (const address of "bcdefghij") expect(begun(address)).toBe(100);
    expect(begun("k")).toBe(0);
    limits.end("b");
    expect(begun("k")).toBe(1);
  });
});

const channelOptions = {
  "grpc.ssl_target_name_override": "nl-cluster",
  "grpc.use_local_subchannel_pool": 1,
};

async function start(
  options: { readonly delayMillis?: number; readonly handshakeMillis?: number } = {},
) {
  const { delayMillis = 0, handshakeMillis = 5000 } = options;
  const server = new GrpcServer({ tls, timers: realTimers, handshakeMillis });
  const drained: string[] = [];
  const called = Promise.withResolvers<void>();
  const handlers: NodesServer = {
    listNodes: () => {},
    undrainNode: () => {},
    drainNode: (call, done) => {
      drained.push(call.request.nodeId);
      called.resolve();
      const timer = setTimeout(() => done(null, { index: 1 }), delayMillis);
      cleanups.push(() => clearTimeout(timer));
    },
  };
  server.server.addService(NodesService, handlers);
  const port = value(await server.listen({ host: "127.0.0.1", port: 0 }));
  cleanups.push(() => server.stop(0));
  return { server, port, drained, called: called.promise, client: connectTo(port) };
}

function connectTo(port: number): NodesClient {
  const client = new NodesClient(
    `127.0.0.1:${port}`,
    credentials.createSsl(
      Buffer.from(tls.caPem),
      Buffer.from(tls.keyPem),
      Buffer.from(tls.certificatePem),
    ),
    channelOptions,
  );
  cleanups.push(() => client.close());
  return client;
}

const drain = (client: NodesClient, nodeId: string): Promise<status> =>
  new Promise((resolve) => {
    client.drainNode({ nodeId, deadlineMillis: 0, message: "" }, (error) => {
      resolve(error?.code ?? status.OK);
    });
  });

/** Connects and says nothing. */
function silentSocket(port: number) {
  return new Promise<{
    readonly socket: Socket;
    readonly closed: Promise<void>;
    readonly millis: () => number;
  }>((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const from = performance.now();
    let closedAt = from;
    const closed = new Promise<void>((done) => {
      socket.on("close", () => {
        closedAt = performance.now();
        done();
      });
    });
    socket.on("error", () => {});
    socket.resume();
    cleanups.push(() => socket.destroy());
    socket.on("connect", () => resolve({ socket, closed, millis: () => closedAt - from }));
  });
}
