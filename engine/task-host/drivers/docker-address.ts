import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../../lib/result.ts";

/** Where the Docker daemon is, in dockerode's words. */
export type DockerAddress =
  | { readonly socketPath: string }
  | {
      readonly protocol: "http" | "https";
      readonly host: string;
      readonly port: number;
      readonly ca?: Buffer;
      readonly cert?: Buffer;
      readonly key?: Buffer;
    };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Read by ourselves: dockerode mixes what it is told with what it finds in the environment, and
 * then goes to the wrong place (FACTS, Docker).
 */
export function dockerAddress(env: Environment): Result<DockerAddress, string> {
  const text = env["DOCKER_HOST"] ?? "";
  if (text === "") return defaultSocket(env);
  const url = URL.parse(text.includes("://") ? text : `tcp://${text}`);
  switch (url?.protocol) {
    case "unix:":
      return existingSocket(decodeURIComponent(url.pathname));
    case "tcp:":
    case "http:":
    case "https:":
      return ok(remote(url, env));
    default:
      return err(`DOCKER_HOST=${text} is not understood: use unix:///path or tcp://host:port`);
  }
}

const SYSTEM_SOCKET = "/var/run/docker.sock";

function defaultSocket(env: Environment): Result<DockerAddress, string> {
  const runtime = env["XDG_RUNTIME_DIR"] ?? "";
  const rootless = runtime === "" ? SYSTEM_SOCKET : join(runtime, "docker.sock");
  return existingSocket(existsSync(SYSTEM_SOCKET) ? SYSTEM_SOCKET : rootless);
}

const existingSocket = (socketPath: string): Result<DockerAddress, string> =>
  existsSync(socketPath)
    ? ok({ socketPath })
    : err(`no Docker daemon at ${socketPath}: install docker.io, or start its service`);

function remote(url: URL, env: Environment): DockerAddress {
  const isTls = url.protocol === "https:" || (env["DOCKER_TLS_VERIFY"] ?? "") !== "";
  const port = Number(url.port || (isTls ? 2376 : 2375));
  const place = { host: url.hostname, port };
  if (!isTls) return { protocol: "http", ...place };
  const folder = env["DOCKER_CERT_PATH"] ?? join(env["HOME"] ?? "/", ".docker");
  const file = (name: string): Buffer => readFileSync(join(folder, name));
  const identity = { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
  return { protocol: "https", ...place, ...identity };
}
