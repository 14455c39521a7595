import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type NlError, nlError } from "./lib/error-code.ts";
import { err, ok, type Result } from "./lib/result.ts";

/** `host:port` of a node's two ports, as the other members reach it; it listens there. */
export type NodeAddresses = { readonly rpcAddress: string; readonly httpAddress: string };

export const nodeAddressesPath = (nodeDirectory: string): string =>
  join(nodeDirectory, "node.json");

/**
 * The file's text. It carries a checksum, since one rotten digit of a port would make a node that
 * nobody finds; a file without one was written by hand and is taken as it is.
 */
export const nodeAddressesText = ({ rpcAddress, httpAddress }: NodeAddresses): string =>
  JSON.stringify({ rpcAddress, httpAddress, check: checkOf({ rpcAddress, httpAddress }) });

/** Takes the place of what was there, at once: a node may move. */
export function writeNodeAddresses(nodeDirectory: string, addresses: NodeAddresses): void {
  const path = nodeAddressesPath(nodeDirectory);
  writeFileSync(`${path}.new`, nodeAddressesText(addresses), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function readNodeAddresses(nodeDirectory: string): Result<NodeAddresses, NlError> {
  const path = nodeAddressesPath(nodeDirectory);
  const parsed = parse(path);
  if (!parsed.ok) return parsed;
  const { rpcAddress, httpAddress, check } = parsed.value;
  if (typeof rpcAddress !== "string" || typeof httpAddress !== "string") {
    return err(refused(`${path} does not name the node's addresses`));
  }
  const addresses = { rpcAddress, httpAddress };
  if (check === undefined || check === checkOf(addresses)) return ok(addresses);
  return err(refused(`${path} is damaged, or was changed by hand: then take its "check" out, too`));
}

function parse(path: string): Result<Readonly<Record<string, unknown>>, NlError> {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof parsed === "object" && parsed !== null) {
      return ok(parsed as Readonly<Record<string, unknown>>);
    }
    return err(refused(`${path} does not name the node's addresses`));
  } catch (cause) {
    return err(refused(`cannot read ${path}: ${String(cause)}`));
  }
}

const refused = (message: string): NlError => nlError("refused", message, "nothing was changed");

const checkOf = ({ rpcAddress, httpAddress }: NodeAddresses): string =>
  Bun.hash.crc32(`${rpcAddress} ${httpAddress}`).toString(16).padStart(8, "0");
