import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { connect, createServer, TLSSocket } from "node:tls";
import { GrpcLab, realTimers } from "../../tests/contracts/grpc-transport-lab.ts";
import type { NodeId } from "../lib/ids.ts";
import { CLUSTER_SERVER_NAME } from "../security/server-name.ts";
import { gatherWrites } from "./gather-writes.ts";

const lab = new GrpcLab();
const tls = await lab.node("blue", "n1" as NodeId);

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

describe("a view that gathers writes", () => {
  test("sends what one turn writes as one piece, in order", async () => {
    const { socket, written, received } = await pair();
    const view = gatherWrites(socket, realTimers);

    for (const part of ["a", "b", "c"]) view.write(Buffer.from(part));
    expect(written()).toEqual([]);

    expect(await received(3)).toBe("abc");
    expect(written()).toEqual([3]);
  });

  test("sends what is large without waiting, and says when it is enough", async () => {
    const { socket, written, received } = await pair();
    const view = gatherWrites(socket, realTimers);
    const piece = Buffer.alloc(16 * 1024, "x");

    let isRoom = true;
    let count = 0;
    for (; isRoom && count < 10_000; count++) isRoom = view.write(piece);

    expect(isRoom).toBe(false);
    expect(written()[0]).toBe(64 * 1024);
    const drained = new Promise<void>((resolve) => view.once("drain", resolve));
    expect((await received(count * piece.length)).length).toBe(count * piece.length);
    await drained;
  });

  test("keeps the order with writes that cannot wait, and before the end", async () => {
    const { socket, received } = await pair();
    const view = gatherWrites(socket, realTimers);

    view.write(Buffer.from("a"));
    view.write("b");
    view.write(Buffer.from("c"));
    view.end(Buffer.from("d"));

    expect(await received(4)).toBe("abcd");
  });

  test("is a TLS socket that has no way around `write`", async () => {
    const { socket } = await pair();
    const view = gatherWrites(socket, realTimers);

    expect(view).toBeInstanceOf(TLSSocket);
    expect(Reflect.get(view, "_handle")).toBeUndefined();
    expect(Reflect.get(socket, "_handle")).toBeDefined();
    expect(view.remotePort).toBe(socket.remotePort);
  });
});

/** The server's end of a connection, what is written on it, and what its client receives. */
async function pair() {
  const { caPem: ca, certificatePem: cert, keyPem: key } = tls;
  const accepted = Promise.withResolvers<TLSSocket>();
  const server = createServer({ ca, cert, key }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const servername = CLUSTER_SERVER_NAME;
  const client = connect({ host: "127.0.0.1", port, ca, cert, key, servername });
  const socket = await accepted.promise;
  cleanups.push(
    () => client.destroy(),
    () => socket.destroy(),
    () => server.close(),
  );
  return { socket, written: sizesOf(socket), received: receiver(client) };
}

function sizesOf(socket: TLSSocket): () => readonly number[] {
  const write = spyOn(socket, "write");
  return () => write.mock.calls.map(([chunk]) => chunk.length);
}

/** Waits for so many bytes, and gives all there are. */
function receiver(client: TLSSocket): (bytes: number) => Promise<string> {
  let text = "";
  let onMore = (): void => {};
  client.on("data", (part: Buffer) => {
    text += part.toString("latin1");
    onMore();
  });
  return (bytes) =>
    new Promise((resolve) => {
      onMore = () => {
        if (text.length >= bytes) resolve(text);
      };
      onMore();
    });
}
