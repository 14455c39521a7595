import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer } from "node:tls";
import { ClusterService, JoinRequest, JoinResponse } from "../../../proto/gen/nl/v1/cluster.ts";
import { ERROR_CODES, type NlError, nlError } from "../../lib/error-code.ts";
import type { NodeId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { CertificateFileError, TlsIdentity } from "../../security/certificate-files.ts";
import { type Authority, certifyNode } from "../../security/certificates.ts";
import { HANDSHAKE_MILLIS, HandshakeGuard } from "../../security/handshake-guard.ts";
import { hashJoinSecret } from "../../security/join-token.ts";
import type { Api } from "../api.ts";
import { Gate } from "../gate.ts";

export type JoinListenerOptions = {
  readonly api: Pick<Api, "call">;
  readonly nodeId: NodeId;
  readonly tls: TlsIdentity;
  /** The CA with its key: every server holds it. */
  readonly loadAuthority: () => Promise<Result<Authority, CertificateFileError>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a TLS handshake may take; 5 s when not given. */
  readonly handshakeMillis?: number;
};

export type JoinListener = { readonly port: number; stop(): void };

/** What a node says when it joins; everything else is the cluster's to decide. */
type Asked = {
  readonly tokenId: string;
  readonly secret: string;
  readonly requestPem: string;
} & Omit<JoinRequest, "tokenId" | "secretHash">;

const BODY_BYTES_MAX = 16 * 1024;
const AT_A_TIME_MAX = 8;
const PER_SECOND_MAX = 20;
const ANSWER_MILLIS = 10_000;
/** Nothing is read or written while an answer is thought about. */
const IDLE_MILLIS = ANSWER_MILLIS + 5_000;
/** With those whose handshake has not ended. */
const CONNECTIONS_MAX = 2_000;

/**
 * The listener that nodes join at: HTTPS on the web port, before a node has a certificate. It gives
 * the CA's certificate to everybody, and a node's certificate to who shows a token.
 */
export function listenForJoins(
  address: { readonly host: string; readonly port: number },
  options: JoinListenerOptions,
): Promise<Result<JoinListener, NlError>> {
  const { certificatePem: cert, keyPem: key } = options.tls;
  const http = createHttpServer(answering(options));
  const listener = createServer({
    ...{ cert, key, minVersion: "TLSv1.2" as const },
    handshakeTimeout: options.handshakeMillis ?? HANDSHAKE_MILLIS,
  });
  const guard = new HandshakeGuard(listener, {
    onSecure: (socket) => {
      if (guard.openCount > CONNECTIONS_MAX) {
        socket.destroy();
        return;
      }
      socket.setTimeout(IDLE_MILLIS, () => socket.destroy());
      http.emit("connection", socket);
    },
    onClosed: () => {},
  });
  const stop = (): void => {
    listener.close();
    guard.endAll();
  };
  const { promise, resolve } = Promise.withResolvers<Result<JoinListener, NlError>>();
  // Stays: an error after this one, such as too many open files, must not end the process.
  listener.on("error", (cause) => {
    const where = `${address.host}:${address.port}`;
    resolve(err(nlError("refused", `no node can join at ${where}: ${cause.message}`)));
  });
  listener.listen(address.port, address.host, () => {
    const bound = listener.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
    resolve(ok({ port, stop }));
  });
  return promise;
}

function answering(options: JoinListenerOptions) {
  const joins = new Joins(options);
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, type, text } = await answerTo(request, joins, options.tls.caPem);
    response.writeHead(status, { "content-type": type, connection: "close" });
    response.end(text);
  };
}

type Answer = { readonly status: number; readonly type: string; readonly text: string };

async function answerTo(request: IncomingMessage, joins: Joins, caPem: string): Promise<Answer> {
  if (request.url === "/v1/ca") return { status: 200, type: "application/x-pem-file", text: caPem };
  if (request.url !== "/v1/join") {
    return failed(nlError("not_found", "this port only lets nodes join", "see: nl ui"));
  }
  try {
    return await joins.answer(request);
  } catch {
    return failed(nlError("internal", "this request could not be answered"));
  }
}

class Joins {
  readonly #options: JoinListenerOptions;
  readonly #gate = new Gate(AT_A_TIME_MAX);
  #second = 0;
  #countInSecond = 0;

  constructor(options: JoinListenerOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    // Before it takes a place: who sends slowly must not keep others out.
    const asked = readAsked(await readJson(request));
    if (asked === null) return failed(MALFORMED);
    const leave = this.#isTooFast() ? null : this.#gate.enter();
    if (leave === null)
      return failed(nlError("overloaded", "too many nodes ask to join", "", 1_000));
    try {
      const joined = await this.#join(asked);
      return joined.ok ? json(200, joined.value) : failed(joined.error);
    } finally {
      leave();
    }
  }

  #isTooFast(): boolean {
    const second = Math.floor(this.#options.clock.monotonicMillis() / 1_000);
    if (second !== this.#second) this.#countInSecond = 0;
    this.#second = second;
    this.#countInSecond += 1;
    return this.#countInSecond > PER_SECOND_MAX;
  }

  async #join(asked: Asked) {
    const { api, nodeId, clock, logger } = this.#options;
    const authority = await this.#options.loadAuthority();
    if (!authority.ok) {
      const sentence = `node ${nodeId} cannot issue certificates: ${authority.error.kind}`;
      return err(nlError("refused", sentence, "join at another server"));
    }
    const { secret, requestPem, ...node } = asked;
    const call = JoinRequest.encode({ ...node, secretHash: hashJoinSecret(secret) }).finish();
    const caller = {
      principal: { kind: "node", nodeId } as const,
      deadlineMillis: clock.monotonicMillis() + ANSWER_MILLIS,
      signal: null,
      forwarded: false,
    };
    const answer = await api.call(ClusterService.join.path, caller, Buffer.from(call));
    if (!answer.ok) {
      logger.log("warn", "a node may not join", {
        token: asked.tokenId,
        why: answer.error.message,
      });
      return answer;
    }
    const joined = JoinResponse.decode(answer.value);
    const host = asked.rpcAddress.slice(0, asked.rpcAddress.lastIndexOf(":"));
    const certificate = await certifyNode(authority.value, {
      nodeId: joined.nodeId as NodeId,
      addresses: [host.replaceAll(/[[\]]/g, "")],
      now: clock.now(),
      requestPem,
    });
    if (!certificate.ok) return err(MALFORMED);
    logger.log("info", "a node joins", { node: joined.nodeId, address: asked.rpcAddress });
    const { certificatePem: caPem, keyPem: caKeyPem } = authority.value;
    // Whoever holds the CA's key can make nodes and users: workers never get it.
    const key = joined.role === "server" ? { caKeyPem } : {};
    return ok({ ...joined, certificatePem: certificate.value, caPem, ...key });
  }
}

const MALFORMED = nlError(
  "invalid_argument",
  "the request to join cannot be understood",
  "use nl of the version that the cluster runs",
);

const json = (status: number, value: unknown): Answer => ({
  status,
  type: "application/json",
  text: JSON.stringify(value),
});

const failed = ({ code, message, hint, retryAfterMillis }: NlError): Answer =>
  json(ERROR_CODES[code].http, { code, message, hint, retryAfterMillis });

async function readJson(request: IncomingMessage): Promise<unknown> {
  try {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of request as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > BODY_BYTES_MAX) return null;
    }
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    return null; // Whoever sends this is told that it makes no sense.
  }
}

const TEXTS = [
  ...["tokenId", "secret", "requestPem", "name"],
  ...["storeId", "rpcAddress", "httpAddress", "version"],
] as const;

function readAsked(body: unknown): Asked | null {
  if (typeof body !== "object" || body === null) return null;
  const fields = body as Readonly<Record<string, unknown>>;
  const isWhole =
    TEXTS.every((name) => typeof fields[name] === "string") &&
    typeof fields["learner"] === "boolean" &&
    Number.isSafeInteger(fields["featureLevel"]);
  return isWhole ? (fields as Asked) : null;
}
