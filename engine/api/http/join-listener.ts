import { ClusterService, JoinRequest, JoinResponse } from "../../../proto/gen/nl/v1/cluster.ts";
import { ERROR_CODES, type NlError, nlError } from "../../lib/error-code.ts";
import type { NodeId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { CertificateFileError, TlsIdentity } from "../../security/certificate-files.ts";
import { type Authority, certifyNode } from "../../security/certificates.ts";
import { hashJoinSecret } from "../../security/join-token.ts";
import type { Api } from "../api.ts";
import { Gate } from "../gate.ts";

export type JoinListenerOptions = {
  readonly api: Api;
  readonly nodeId: NodeId;
  readonly tls: TlsIdentity;
  /** The CA with its key: every server holds it. */
  readonly loadAuthority: () => Promise<Result<Authority, CertificateFileError>>;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type JoinListener = { readonly port: number; stop(): void };

/** What a node says when it joins; everything else is the cluster's to decide. */
type Asked = {
  readonly tokenId: string;
  readonly secret: string;
  readonly requestPem: string;
} & Omit<JoinRequest, "tokenId" | "secretHash">;

const BODY_BYTES_MAX = 16 * 1024;
/** Unfinished connections are cut off by it, too. */
const IDLE_SECONDS = 5;
const AT_A_TIME_MAX = 8;
const PER_SECOND_MAX = 20;
const ANSWER_MILLIS = 10_000;

/**
 * The listener that nodes join at: HTTPS on the web port, before a node has a certificate. It gives
 * the CA's certificate to everybody, and a node's certificate to who shows a token.
 */
export function listenForJoins(
  address: { readonly host: string; readonly port: number },
  options: JoinListenerOptions,
): Result<JoinListener, NlError> {
  const joins = new Joins(options);
  const { caPem, certificatePem, keyPem } = options.tls;
  try {
    const server = Bun.serve({
      hostname: address.host,
      port: address.port,
      tls: { cert: certificatePem, key: keyPem },
      maxRequestBodySize: BODY_BYTES_MAX,
      idleTimeout: IDLE_SECONDS,
      development: false,
      routes: {
        "/v1/ca": () => new Response(caPem),
        "/v1/join": (request) => joins.answer(request),
      },
      fetch: () => failed(nlError("not_found", "this port only lets nodes join", "see: nl ui")),
      error: () => failed(nlError("internal", "this request could not be answered")),
    });
    return ok({ port: server.port ?? address.port, stop: () => void server.stop(true) });
  } catch (cause) {
    const where = `${address.host}:${address.port}`;
    return err(nlError("refused", `no node can join at ${where}: ${String(cause)}`));
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

  async answer(request: Request): Promise<Response> {
    const leave = this.#isTooFast() ? null : this.#gate.enter();
    if (leave === null)
      return failed(nlError("overloaded", "too many nodes ask to join", "", 1_000));
    try {
      const asked = readAsked(await readJson(request));
      if (asked === null) return failed(MALFORMED);
      const joined = await this.#join(asked);
      return joined.ok ? Response.json(joined.value) : failed(joined.error);
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

const failed = ({ code, message, hint, retryAfterMillis }: NlError): Response =>
  Response.json({ code, message, hint, retryAfterMillis }, { status: ERROR_CODES[code].http });

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
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
