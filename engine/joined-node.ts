import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Joined, joinCluster } from "./client/join-cluster.ts";
import { type NlError, nlError } from "./lib/error-code.ts";
import type { NodeId, PeerId } from "./lib/ids.ts";
import { err, ok, type Result } from "./lib/result.ts";
import { type NodeAddresses, writeNodeAddresses } from "./node-addresses.ts";
import type { Random } from "./platform/random.ts";
import { randomText } from "./random-text.ts";
import { certificateDirectory, saveAuthority, saveIdentity } from "./security/certificate-files.ts";
import { createNodeRequest } from "./security/certificates.ts";
import { type JoinTokenParts, parseJoinToken } from "./security/join-token.ts";
import { FEATURE_LEVEL } from "./state/feature-level.ts";
import { initJoinedDirectory, publishDirectory } from "./storage/data-directory.ts";

/** Composes the directory of a node that joins a cluster. */

export type JoinPlan = {
  /** Made by this call; must not exist, or be empty. */
  readonly directory: string;
  readonly token: string;
  /** Web address of any member. */
  readonly member: string;
  readonly addresses: NodeAddresses;
  /** Empty = the cluster chooses. */
  readonly name: string;
  readonly learner: boolean;
  readonly version: string;
  readonly random: Random;
};

/** What must be the same when joining is tried again: the answer may have been lost on the way. */
type Wish = {
  readonly tokenId: string;
  readonly storeId: string;
  readonly requestPem: string;
  readonly keyPem: string;
};

/** After a crash there is the whole node or none, and trying again with the token goes on. */
export async function joinNode(plan: JoinPlan): Promise<Result<Joined, NlError>> {
  const token = parseJoinToken(plan.token);
  if (token === null) return err(NO_TOKEN);
  const known = readWish(plan, token);
  const wish = known ?? (await newWish(plan, token));
  const { keyPem, ...asked } = wish;
  const joined = await joinCluster(plan.member, token.caFingerprint, {
    ...asked,
    ...plan.addresses,
    secret: token.secret,
    name: plan.name,
    learner: plan.learner,
    featureLevel: FEATURE_LEVEL,
    version: plan.version,
  });
  if (!joined.ok) {
    // Of an earlier try the answer may have been lost: then only this wish can still be granted.
    const isOver = known === null && SAYS_NO.has(joined.error.code);
    if (isOver) rmSync(wishFile(plan.directory), { force: true });
    return joined;
  }
  if (joined.value.role !== "server") return err(WORKER_TOKEN);
  const made = await makeDirectory(plan, joined.value, wish);
  if (!made.ok) return made;
  rmSync(wishFile(plan.directory), { force: true });
  return joined;
}

const NO_TOKEN = nlError(
  "invalid_argument",
  "this is not a join token: it may have been cut while it was copied",
  "a new one, and the whole command: nl cluster join",
);
const WORKER_TOKEN = nlError(
  "refused",
  "this token is for a node that only works, which this nl cannot be",
  "a token for a server: nl cluster join",
);

/** Answers after which the cluster has certainly not let this node in. */
const SAYS_NO: ReadonlySet<NlError["code"]> = new Set([
  "forbidden",
  "unauthenticated",
  "invalid_argument",
]);

const wishFile = (directory: string): string =>
  join(dirname(resolve(directory)), `.${basename(resolve(directory))}.joining.json`);

function readWish(plan: JoinPlan, token: JoinTokenParts): Wish | null {
  const path = wishFile(plan.directory);
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Wish) : null;
  return known?.tokenId === token.id ? known : null;
}

async function newWish(plan: JoinPlan, token: JoinTokenParts): Promise<Wish> {
  const path = wishFile(plan.directory);
  const request = await createNodeRequest();
  const wish = { tokenId: token.id, storeId: randomText(plan.random, 24), ...request };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(wish), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return wish;
}

async function makeDirectory(
  plan: JoinPlan,
  joined: Joined,
  wish: Wish,
): Promise<Result<void, NlError>> {
  const directory = resolve(plan.directory);
  const staging = join(dirname(directory), `.${basename(directory)}.staging-${process.pid}`);
  rmSync(staging, { recursive: true, force: true });
  try {
    const { clusterId, certificatePem, caPem, caKeyPem } = joined;
    const made = initJoinedDirectory({
      ...{ directory: staging, clusterId, storeId: wish.storeId },
      ...{ nodeId: joined.nodeId as NodeId, peerId: joined.peerId as PeerId },
    });
    if (!made.ok) return err(storageRefusal(made.error.detail));
    const certificates = certificateDirectory(staging);
    const identity = { certificatePem, keyPem: wish.keyPem, caPem };
    const saved = await saveIdentity(certificates, "node", identity);
    if (!saved.ok) return err(storageRefusal(`cannot write ${saved.error.path}`));
    if (caKeyPem !== undefined) {
      const authority = { clusterId, certificatePem: caPem, keyPem: caKeyPem };
      await saveAuthority(certificates, authority);
    }
    writeNodeAddresses(staging, plan.addresses);
    const published = publishDirectory(staging, directory);
    return published.ok ? ok(undefined) : err(storageRefusal(published.error.detail));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

const storageRefusal = (detail: string): NlError =>
  nlError("refused", detail, "mend that and join again with the same token");
