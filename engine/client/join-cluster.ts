import { createHash, X509Certificate } from "node:crypto";
import { request as httpsRequest } from "node:https";
import { fromFailure, type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { CLUSTER_SERVER_NAME } from "./cluster-server-name.ts";

/** What a node sends to join; its private key stays where it is. */
export type JoinWish = {
  readonly tokenId: string;
  readonly secret: string;
  readonly requestPem: string;
  readonly name: string;
  readonly storeId: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly learner: boolean;
  readonly featureLevel: number;
  readonly version: string;
};

export type Joined = {
  readonly nodeId: string;
  readonly peerId: number;
  readonly role: string;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly certificatePem: string;
  readonly caPem: string;
  /** Servers only. */
  readonly caKeyPem?: string;
};

const ANSWER_BYTES_MAX = 64 * 1024;
const TIMEOUT_MILLIS = 15_000;

/**
 * Asks a member to let this node in. The secret is sent only to who shows a certificate of the very
 * CA that the token names: the CA's certificate is fetched first, and compared.
 */
export async function joinCluster(
  address: string,
  caFingerprint: string,
  wish: JoinWish,
): Promise<Result<Joined, NlError>> {
  const ca = await call(address, { path: "/v1/ca", body: null, caPem: null });
  if (!ca.ok) return ca;
  const caPem = ca.value.text;
  if (fingerprintOf(caPem) !== caFingerprint) {
    return err(
      nlError(
        "unauthenticated",
        `${address} belongs to another cluster than the token: nothing was sent to it`,
        "check the address; the token names its cluster by the fingerprint of the CA",
      ),
    );
  }
  const joined = await call(address, { path: "/v1/join", body: JSON.stringify(wish), caPem });
  if (!joined.ok) return joined;
  const answer = parse(joined.value.text);
  if (joined.value.status !== 200) return err(refusalOf(answer));
  return isJoined(answer) ? ok(answer) : err(strange(address));
}

type Call = { readonly path: string; readonly body: string | null; readonly caPem: string | null };
type Answered = { readonly status: number; readonly text: string };

function call(address: string, { path, body, caPem }: Call): Promise<Result<Answered, NlError>> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replaceAll(/[[\]]/g, "");
  const trust = caPem === null ? { rejectUnauthorized: false } : { ca: caPem };
  return new Promise((resolve) => {
    const request = httpsRequest(
      {
        ...{ host, port: address.slice(colon + 1), path, method: body === null ? "GET" : "POST" },
        ...{ servername: CLUSTER_SERVER_NAME, agent: false, timeout: TIMEOUT_MILLIS, ...trust },
        ...(body === null ? {} : { headers: { "content-length": Buffer.byteLength(body) } }),
      },
      (response) => {
        let text = "";
        response.on("data", (bytes: Buffer) => {
          text += bytes.toString("utf8");
          if (text.length > ANSWER_BYTES_MAX) request.destroy(new Error("the answer is too long"));
        });
        response.on("end", () => resolve(ok({ status: response.statusCode ?? 0, text })));
      },
    );
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", (cause: NodeJS.ErrnoException) => resolve(err(notReached(address, cause))));
    request.end(body ?? undefined);
  });
}

function fingerprintOf(caPem: string): string {
  try {
    return createHash("sha256").update(new X509Certificate(caPem).raw).digest("base64url");
  } catch {
    return ""; // Whatever answers there is no member.
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function isJoined(answer: Readonly<Record<string, unknown>>): answer is Joined {
  const texts = ["nodeId", "role", "clusterId", "clusterName", "certificatePem", "caPem"];
  const hasKey = typeof answer["caKeyPem"] === "string" || answer["caKeyPem"] === undefined;
  const isNumbered = Number.isSafeInteger(answer["peerId"]);
  return hasKey && isNumbered && texts.every((name) => typeof answer[name] === "string");
}

function refusalOf(answer: Readonly<Record<string, unknown>>): NlError {
  const { code, message, hint } = answer;
  if (typeof code !== "string" || typeof message !== "string") {
    return nlError("refused", "the cluster did not let this node in", "nl cluster status there");
  }
  return fromFailure({ code, message, hint: String(hint ?? ""), retryAfterMillis: 0 });
}

const strange = (address: string): NlError =>
  nlError("refused", `${address} gave an answer that this nl does not understand`, "same version?");

function notReached(address: string, cause: NodeJS.ErrnoException): NlError {
  const why = cause.code === "ECONNREFUSED" ? "nobody listens there" : cause.message;
  return nlError(
    "unreachable",
    `cannot join at ${address}: ${why}`,
    "name the web address of a running member (its gRPC port plus ten, as a rule) with --addr",
  );
}
