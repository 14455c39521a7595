import { nlError } from "../../engine/lib/error-code.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { type LocalCluster, type LocalNode, readClusterFile } from "./cluster-file.ts";

/** A node of the local cluster by its name, or a sentence that names the ones there are. */
export function requireLocalNode(
  root: string,
  id: string,
): LocalNode & { readonly cluster: LocalCluster } {
  const cluster = orFail(readClusterFile(root));
  if (cluster === null) {
    throw new NlFailure(
      nlError("no_cluster", "there is no local cluster here", "start one: nl up"),
    );
  }
  const node = cluster.nodes.find((candidate) => candidate.id === id);
  if (node === undefined) {
    const known = cluster.nodes.map((candidate) => candidate.id).join(", ");
    throw new NlFailure(nlError("not_found", `no node "${id}" here`, `there are: ${known}`));
  }
  return { ...node, cluster };
}
