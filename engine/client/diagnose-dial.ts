import { connect, type TLSSocket } from "node:tls";
import { type NlError, nlError } from "../lib/error-code.ts";
import { unreachable } from "./call-error.ts";
import { CLUSTER_SERVER_NAME } from "./cluster-server-name.ts";

/** PEM texts: who this client is, and whom it trusts. */
export type Credentials = { readonly ca: string; readonly cert: string; readonly key: string };

const LIMIT_MILLIS = 2_000;

/**
 * Why no connection comes about: gRPC does not say whether nobody listens, or whether one side does
 * not accept the other's certificate. So the handshake is made once more, alone.
 */
export async function diagnoseDial(
  addresses: readonly string[],
  credentials: Credentials,
): Promise<NlError> {
  const faults = await Promise.all(addresses.map((address) => dial(address, credentials)));
  const refusal = faults.find(({ kind }) => kind === "refused");
  if (refusal !== undefined) {
    return nlError(
      "unauthenticated",
      refusal.why,
      "name files of this cluster with --ca-cert, --cert and --key",
    );
  }
  return unreachable(addresses, faults.at(-1)?.why ?? "");
}

/** `refused`: by the other side, or by us, because of a certificate. */
type Fault = { readonly kind: "refused" | "no-answer"; readonly why: string };

function dial(address: string, credentials: Credentials): Promise<Fault> {
  const colon = address.lastIndexOf(":");
  const socket = connect({
    ...credentials,
    host: address.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(colon + 1)),
    servername: CLUSTER_SERVER_NAME,
    ALPNProtocols: ["h2"],
    timeout: LIMIT_MILLIS,
  });
  return fateOf(socket, address).finally(() => socket.destroy());
}

function fateOf(socket: TLSSocket, address: string): Promise<Fault> {
  let isSecure = false;
  return new Promise((resolve) => {
    const noAnswer = (why: string) => resolve({ kind: "no-answer", why });
    const limit = setTimeout(() => noAnswer("it does not answer"), LIMIT_MILLIS);
    socket.once("close", () => clearTimeout(limit));
    socket.once("secureConnect", () => {
      isSecure = true;
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // The system's own errors have a call that failed; those of TLS are about a certificate.
      if (error.syscall !== undefined) return noAnswer(error.message);
      const why = `this client does not trust the certificate of ${address}: ${error.message}`;
      resolve({ kind: "refused", why });
    });
    // The first thing a node says once it has accepted a client's certificate.
    socket.once("data", () => noAnswer("it answers again"));
    socket.once("end", () => {
      if (!isSecure) return noAnswer("it ended the connection");
      const why = `${address} does not accept this client's certificate: made by another CA, or expired`;
      resolve({ kind: "refused", why });
    });
  });
}
