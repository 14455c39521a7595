import type { NodeAddresses } from "../../engine/node-addresses.ts";
import type { Invocation } from "../invocation.ts";
import { UsageError } from "../usage-error.ts";

/** The web port stands this far above the gRPC port, unless it is named. */
const HTTP_OFFSET = 10;
const ADDRESS = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/;

export const LISTEN_ARGS = {
  listen: {
    type: "string",
    valueHint: "HOST:PORT",
    description: "Where this node is reached (gRPC); of a known node: it moves there",
  },
  http: {
    type: "string",
    valueHint: "HOST:PORT",
    description: "Its web address (default: ten ports above --listen)",
  },
} as const;

/** Null when `--listen` is not given. */
export function listenAddresses(invocation: Invocation): NodeAddresses | null {
  const listen = invocation.text("listen");
  const http = invocation.text("http");
  if (listen === null) {
    if (http !== null) throw new UsageError("--http needs --listen HOST:PORT");
    return null;
  }
  const { host, port } = parseAddress("listen", listen);
  const httpAddress = http ?? `${host}:${port + HTTP_OFFSET}`;
  parseAddress("http", httpAddress);
  return { rpcAddress: listen, httpAddress };
}

export function parseAddress(
  flag: string,
  text: string,
): { readonly host: string; readonly port: number } {
  const [, host = "", digits = ""] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (host !== "" && port > 0 && port < 65_536) return { host, port };
  throw new UsageError(`--${flag} "${text}" is not an address`, "write HOST:PORT");
}
