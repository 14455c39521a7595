import type { NodeId } from "../lib/ids.ts";

/** The server name that clients expect of any node. TLS cannot name an IP literal (FACTS, gRPC). */
export const CLUSTER_SERVER_NAME = "nl-cluster";

/** The server name that a node expects of one particular other node. */
export const nodeServerName = (nodeId: NodeId): string => `node-${nodeId}`;
