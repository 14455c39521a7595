import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "../engine/client/client.ts";
import { type NlError, nlError } from "../engine/lib/error-code.ts";
import type { Invocation } from "./invocation.ts";
import { addressOf, clientDirectory, readClusterFile } from "./local/cluster-file.ts";
import { dataRoot } from "./local/data-root.ts";
import { leaderFirst, rememberLeader } from "./local/last-leader.ts";
import { agentPid } from "./local/node-process.ts";
import { NlFailure, orFail } from "./nl-failure.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

const REQUEST_TIMEOUT_MILLIS = 60_000;
const ADDRESSES_MAX = 64;

type Credentials = { readonly ca: string; readonly cert: string; readonly key: string };

/** A client for the cluster the command line names, else for the local one. */
export async function openClient(invocation: Invocation, world: World): Promise<Client> {
  const root = dataRoot(invocation.text("data"), world.env);
  const given = namedAddresses(invocation, world);
  const timeout = await requestTimeout(invocation);
  const paths = credentialPaths(invocation, world, root);
  if (given !== "") return connectWith(parseAddresses(given), paths, timeout);
  const addresses = leaderFirst(root, localAddresses(root));
  return connectWith(addresses, paths, timeout, (leader) => rememberLeader(root, leader));
}

/** True: the command line or the environment names a cluster; false: it is the local one. */
export const addressesNamed = (invocation: Invocation, world: World): boolean =>
  namedAddresses(invocation, world) !== "";

const namedAddresses = (invocation: Invocation, world: World): string =>
  invocation.text("addr") ?? world.env["NL_ADDR"] ?? "";

/** A client for these addresses with the certificate files of a directory. */
export const connectTo = (
  addresses: readonly string[],
  directory: string,
  timeoutMillis: number,
): Promise<Client> => connectWith(addresses, pathsIn(directory), timeoutMillis);

async function connectWith(
  addresses: readonly string[],
  paths: Credentials,
  timeoutMillis: number,
  onLeader: (address: string) => void = () => {},
): Promise<Client> {
  const [{ connect }, ca, cert, key] = await Promise.all([
    import("../engine/client/grpc-client.ts"),
    readPem(paths.ca),
    readPem(paths.cert),
    readPem(paths.key),
  ]);
  const credentials = { ca, cert, key };
  try {
    return connect({ addresses, credentials, requestTimeoutMillis: timeoutMillis, onLeader });
  } catch (cause) {
    throw new NlFailure(unusable(paths, cause));
  }
}

/** What the TLS library says is for experts: the files are named, and what they must be. */
const unusable = ({ cert, key }: Credentials, cause: unknown): NlError =>
  nlError(
    "unauthenticated",
    `${cert} and ${key} are no certificate and its key (${String(cause)})`,
    "name a pair that belongs together with --cert and --key",
  );

/** Nodes that run, first those that may answer at once. */
function localAddresses(root: string): readonly string[] {
  const cluster = orFail(readClusterFile(root));
  if (cluster === null) {
    throw new NlFailure(nlError("no_cluster", "no cluster is running here", "start one: nl up"));
  }
  const running = cluster.nodes.filter(({ id }) => agentPid(root, id) !== null);
  if (running.length === 0) {
    throw new NlFailure(
      nlError("no_cluster", `cluster "${cluster.name}" is not running`, "start it again: nl up"),
    );
  }
  return running.map(addressOf);
}

function parseAddresses(text: string): readonly string[] {
  const addresses = text
    .split(",")
    .map((address) => address.trim())
    .filter(Boolean);
  for (const address of addresses) {
    if (!/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(address)) {
      throw new UsageError(
        `"${address}" is not an address`,
        "write HOST:PORT, several with commas",
      );
    }
  }
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX) {
    throw new UsageError(`--addr takes 1 to ${ADDRESSES_MAX} addresses`);
  }
  return addresses;
}

const pathsIn = (directory: string): Credentials => ({
  ca: join(directory, "ca.pem"),
  cert: join(directory, "client.pem"),
  key: join(directory, "client-key.pem"),
});

function credentialPaths(invocation: Invocation, world: World, root: string): Credentials {
  const local = pathsIn(clientDirectory(root));
  return {
    ca: invocation.text("ca-cert") ?? world.env["NL_CA"] ?? local.ca,
    cert: invocation.text("cert") ?? world.env["NL_CERT"] ?? local.cert,
    key: invocation.text("key") ?? world.env["NL_KEY"] ?? local.key,
  };
}

async function readPem(path: string): Promise<string> {
  if (!existsSync(path)) {
    throw new NlFailure(
      nlError(
        "unauthenticated",
        `there is no certificate file ${path}`,
        "name them with --ca-cert, --cert and --key, or start a local cluster: nl up",
      ),
    );
  }
  return readFile(path, "utf8");
}

async function requestTimeout(invocation: Invocation): Promise<number> {
  const text = invocation.text("request-timeout");
  if (text === null) return REQUEST_TIMEOUT_MILLIS;
  const { durationFlag } = await import("./duration-flag.ts");
  return durationFlag("request-timeout", text);
}
