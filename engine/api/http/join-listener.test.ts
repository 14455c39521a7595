import { afterEach, describe, expect, test } from "bun:test";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { GrpcLab, value } from "../../../tests/contracts/grpc-transport-lab.ts";
import { bunClock } from "../../bun-platform.ts";
import type { NodeId } from "../../lib/ids.ts";
import { err } from "../../lib/result.ts";
import { listenForJoins } from "./join-listener.ts";

/** What joins mean is tested in tests/cluster; here is what strangers can do to the port. */

const tls = await new GrpcLab().node("blue", "n1" as NodeId);
const ANY = { host: "127.0.0.1", port: 0 };

let cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups) cleanup();
  cleanups = [];
});

describe("the port that nodes join at", () => {
  test("gives the CA's certificate to everybody, and says what else it is for", async () => {
    const port = await start();

    expect(await ask(port, "/v1/ca")).toEqual({ status: 200, text: tls.caPem });
    expect(await ask(port, "/")).toMatchObject({ status: 404 });
  });

  test("answers what is no request to join, and what is too long for one", async () => {
    const port = await start();

    for (const body of ["no json", "{}", "x".repeat(100_000)]) {
      const { status, text } = await ask(port, "/v1/join", body);
      expect([status, JSON.parse(text).code]).toEqual([400, "invalid_argument"]);
    }
  });

  test("takes 100 unfinished handshakes of one address, and serves once they are over", async () => {
    const port = await start(300);
    const sockets = await Promise.all(Array.from({ length: 130 }, () => silentSocket(port)));

    const lasted = await Promise.all(sockets.map(({ lastedMillis }) => lastedMillis));

    expect(lasted.filter((millis) => millis < 250)).toHaveLength(30);
    expect(await ask(port, "/v1/ca")).toMatchObject({ status: 200 });
  });

  test("says that the port is taken, and stops serving when it is told to", async () => {
    const port = await start();
    const second = await listenForJoins({ ...ANY, port }, options());
    expect(second).toMatchObject({ ok: false, error: { code: "refused" } });

    for (const cleanup of cleanups.splice(0)) cleanup();

    expect(await ask(port, "/v1/ca").catch(({ code }) => code)).toBe("ECONNREFUSED");
  });
});

const options = (handshakeMillis = 5_000): Parameters<typeof listenForJoins>[1] => ({
  ...{ nodeId: "n1" as NodeId, tls, handshakeMillis, clock: bunClock() },
  api: { call: () => Promise.reject(new Error("nobody joins here")) },
  loadAuthority: () => Promise.resolve(err({ kind: "unreadable", path: "", detail: "" })),
  logger: { log: () => {} },
});

async function start(handshakeMillis?: number): Promise<number> {
  const listener = value(await listenForJoins(ANY, options(handshakeMillis)));
  cleanups.push(() => listener.stop());
  return listener.port;
}

function ask(
  port: number,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const method = body === undefined ? "GET" : "POST";
  return new Promise((resolve, reject) => {
    const target = { host: "127.0.0.1", port, path, method, agent: false };
    const request = httpsRequest({ ...target, rejectUnauthorized: false }, (response) => {
      let text = "";
      response.on("data", (bytes) => {
        text += bytes;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Connects and says nothing. */
function silentSocket(port: number): Promise<{ readonly lastedMillis: Promise<number> }> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const from = performance.now();
    const lastedMillis = new Promise<number>((done) => {
      socket.on("close", () => done(performance.now() - from));
    });
    socket.on("error", () => {});
    socket.resume();
    cleanups.push(() => socket.destroy());
    socket.on("connect", () => resolve({ lastedMillis }));
  });
}
