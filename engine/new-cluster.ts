import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "./lib/assert.ts";
import { type NlError, nlError } from "./lib/error-code.ts";
import { following, type NodeId, type PeerId, type Term, type UnixMillis } from "./lib/ids.ts";
import { err, ok, type Result } from "./lib/result.ts";
import { nodeAddressesPath, nodeAddressesText } from "./node-addresses.ts";
import type { Clock } from "./platform/clock.ts";
import type { Random } from "./platform/random.ts";
import type { SnapshotMeta } from "./raft/types.ts";
import { randomText } from "./random-text.ts";
import { certificateDirectory, saveAuthority, saveIdentity } from "./security/certificate-files.ts";
import {
  type Authority,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from "./security/certificates.ts";
import type { Founding } from "./state/command.ts";
import { type ClusterState, createState } from "./state/create-state.ts";
import { refound } from "./state/refound.ts";
import { encodeState } from "./state/state-walk.ts";
import { createClusterDirectories, type NewNode } from "./storage/data-directory.ts";

/** Composes the directories of a whole new cluster: data, certificates, and a client's identity. */

export type NewCluster = {
  /** Made by this call; must not exist, or be empty. */
  readonly directory: string;
  readonly name: string;
  readonly nodes: readonly {
    readonly id: NodeId;
    /** `host:port`, as the other members reach it. */
    readonly rpcAddress: string;
    readonly httpAddress: string;
  }[];
  /** User name of the administrator's certificate. */
  readonly user: string;
  readonly platform: { readonly clock: Clock; readonly random: Random };
  /** Jobs to begin with, of another cluster; its state is used up. */
  readonly saved?: SavedState;
  /** Further files, written before the directory appears: name → content. */
  readonly files: (clusterId: string) => Readonly<Record<string, string>>;
};

/** A saved state, and the term of its last entry. */
type SavedState = { readonly state: ClusterState; readonly term: Term };

const FOUNDING_TERM = 1 as Term;

/** Answers the new cluster's id. After a crash there is the whole cluster or nothing. */
export async function createCluster(plan: NewCluster): Promise<Result<string, NlError>> {
  const { clock, random } = plan.platform;
  const clusterId = `${plan.name}-${randomText(random, 8)}`;
  const founding: Founding = {
    clusterId,
    clusterName: plan.name,
    at: clock.now(),
    members: plan.nodes.map(({ id, rpcAddress, httpAddress }, at) => ({
      nodeId: id,
      peerId: (at + 1) as PeerId,
      storeId: randomText(random, 24),
      rpcAddress,
      httpAddress,
    })),
  };
  const created = await createClusterDirectories({
    directory: plan.directory,
    nodes: newNodes(founding, plan.saved),
    populate: (staging) => populate(staging, plan, clusterId),
  });
  if (!created.ok) return err(nlError("refused", created.error.detail, "nothing was created"));
  return ok(clusterId);
}

/** What each founding member starts with: the same snapshot, its own identity. */
export function newNodes(founding: Founding, saved?: SavedState): readonly NewNode[] {
  const state = saved === undefined ? createState(founding) : refound(saved.state, founding);
  const snapshotBytes = encodeState(state);
  const snapshot: SnapshotMeta = {
    index: state.appliedIndex,
    term: saved === undefined ? FOUNDING_TERM : following(saved.term),
    conf: {
      voters: founding.members.map(({ peerId }) => peerId),
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    },
    id: saved === undefined ? "founding" : "restored",
    bytes: snapshotBytes.length,
    sha256: createHash("sha256").update(snapshotBytes).digest("hex"),
  };
  return founding.members.map(({ nodeId, peerId, storeId }) => ({
    clusterId: founding.clusterId,
    nodeId,
    peerId,
    storeId,
    snapshot,
    snapshotBytes,
  }));
}

async function populate(staging: string, plan: NewCluster, clusterId: string): Promise<void> {
  const now = plan.platform.clock.now();
  const authority = must(await createAuthority({ clusterId, now }));
  for (const { id, rpcAddress, httpAddress } of plan.nodes) {
    await writeNodeCertificates(staging, authority, { id, rpcAddress, now });
    const addresses = nodeAddressesText({ rpcAddress, httpAddress });
    await writeFile(nodeAddressesPath(join(staging, id)), addresses);
  }
  const client = must(
    await issueClientCertificate(authority, { user: plan.user, role: "admin", now }),
  );
  const directory = join(staging, "client");
  await mkdir(directory, { mode: 0o700 });
  must(await saveIdentity(directory, "client", { ...client, caPem: authority.certificatePem }));
  for (const [name, content] of Object.entries(plan.files(clusterId))) {
    await writeFile(join(staging, name), content, { mode: 0o600 });
  }
}

async function writeNodeCertificates(
  staging: string,
  authority: Authority,
  node: { readonly id: NodeId; readonly rpcAddress: string; readonly now: UnixMillis },
): Promise<void> {
  const host = node.rpcAddress.slice(0, node.rpcAddress.lastIndexOf(":"));
  const issued = must(
    await issueNodeCertificate(authority, { nodeId: node.id, addresses: [host], now: node.now }),
  );
  const directory = certificateDirectory(join(staging, node.id));
  await mkdir(directory, { mode: 0o700 });
  must(await saveAuthority(directory, authority));
  must(await saveIdentity(directory, "node", { ...issued, caPem: authority.certificatePem }));
}

/** A failure in here is a bug or a full disk: either way nothing of the cluster may appear. */
function must<T>(result: Result<T, { readonly kind: string }>): T {
  assert(result.ok, `preparing a new cluster failed: ${JSON.stringify(result)}`);
  return result.value;
}
