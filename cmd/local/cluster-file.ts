import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type NlError, nlError } from "../../engine/lib/error-code.ts";
import { err, ok, type Result } from "../../engine/lib/result.ts";

/** A cluster that `nl up` made on this machine: `cluster.json` in its directory. */
export type LocalCluster = {
  readonly format: 1;
  readonly name: string;
  readonly clusterId: string;
  readonly nodes: readonly LocalNode[];
  /** What `--driver` said when it was made; absent = auto. */
  readonly driver?: string;
};

export type LocalNode = {
  readonly id: string;
  readonly rpcPort: number;
  readonly httpPort: number;
};

const FILE = "cluster.json";

export const clusterFile = (root: string): string => join(root, FILE);
export const nodeDirectory = (root: string, id: string): string => join(root, id);
export const agentFile = (root: string, id: string): string => join(root, id, "agent.json");
export const nodeLog = (root: string, id: string): string => join(root, id, "nl.log");
export const clientDirectory = (root: string): string => join(root, "client");
export const addressOf = (node: LocalNode): string => `127.0.0.1:${node.rpcPort}`;

/** Null when there is no cluster here. */
export function readClusterFile(root: string): Result<LocalCluster | null, NlError> {
  const path = clusterFile(root);
  if (!existsSync(path)) return ok(null);
  try {
    const parsed = JSON.parse(readFileSync(path, "utf8")) as Partial<LocalCluster>;
    if (
      parsed.format === 1 &&
      Array.isArray(parsed.nodes) &&
      typeof parsed.clusterId === "string"
    ) {
      return ok(parsed as LocalCluster);
    }
    return err(unreadable(path, "it was written by another version of nl"));
  } catch {
    return err(unreadable(path, "it is not the JSON that nl wrote"));
  }
}

/** Nodes that are started later get the driver that was asked for last. */
export function rememberDriver(root: string, cluster: LocalCluster, driver: string): void {
  if ((cluster.driver ?? "auto") === driver) return;
  const path = clusterFile(root);
  writeFileSync(`${path}.new`, clusterText({ ...cluster, driver }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export const clusterText = (cluster: LocalCluster): string =>
  `${JSON.stringify(cluster, null, 2)}\n`;

const unreadable = (path: string, why: string): NlError =>
  nlError(
    "refused",
    `cannot use ${path}: ${why}`,
    "nothing was changed; the node directories beside it still hold the data",
  );
