import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { bunClock, bunTimers } from "./bun-platform.ts";
import { type NlError, nlError } from "./lib/error-code.ts";
import type { NodeId } from "./lib/ids.ts";
import { err, ok, type Result } from "./lib/result.ts";
import type { NodeParts } from "./node.ts";
import { readNodeAddresses } from "./node-addresses.ts";
import type { FileFinding } from "./offline/examine-node.ts";
import type { DiskRoom } from "./platform/disk-room.ts";
import type { StorageError } from "./platform/log-store.ts";
import type { Logger } from "./platform/logger.ts";
import type { SnapshotMeta } from "./raft/types.ts";
import {
  type CertificateFileError,
  certificateDirectory,
  loadNodeIdentity,
  type TlsIdentity,
} from "./security/certificate-files.ts";
import { identify } from "./security/identity.ts";
import { readIdentity } from "./storage/data-directory.ts";
import { AMPLE_DISK, DiskWatch, releaseBallastWhenFull } from "./storage/disk-watch.ts";
import { SnapshotFiles } from "./storage/snapshot-files.ts";
import { WorkerLogStore } from "./storage/worker-log-store.ts";

type Opened = Pick<
  NodeParts,
  "identity" | "rpcAddress" | "httpAddress" | "directory" | "tls" | "logStore" | "snapshots"
>;

/** What a node's directory says about it: who it is, where it listens, its keys and its log. */
export async function openNode(directory: string): Promise<Result<Opened, NlError>> {
  releaseBallastWhenFull(directory);
  const identity = readIdentity(directory);
  if (!identity.ok) return err(nlError("refused", identity.error.detail, "nothing was changed"));
  const addresses = readNodeAddresses(directory);
  if (!addresses.ok) return addresses;
  const tls = await loadNodeIdentity(certificateDirectory(directory), bunClock().now());
  if (!tls.ok) return err(certificateRefusal(tls.error));
  const { clusterId, nodeId } = identity.value;
  if (!names(tls.value, clusterId, nodeId)) return err(foreignData(directory, identity.value));
  return ok({
    identity: identity.value,
    ...addresses.value,
    directory,
    tls: tls.value,
    logStore: new WorkerLogStore({ directory, expected: { clusterId, nodeId } }),
    snapshots: new SnapshotFiles(join(directory, "snapshots")),
  });
}

/** What lies beside a node's data, and what is wrong with it: looks only. */
export async function checkSettings(directory: string): Promise<readonly FileFinding[]> {
  const addresses = readNodeAddresses(directory);
  const tls = await loadNodeIdentity(certificateDirectory(directory), bunClock().now());
  return [
    finding("node.json", addresses.ok ? null : addresses.error),
    finding("certs", tls.ok ? null : certificateRefusal(tls.error)),
  ];
}

const finding = (file: string, error: NlError | null): FileFinding => ({
  file,
  state: error === null ? "whole" : "damaged",
  detail: error === null ? "as it was written" : `${error.message} (${error.hint})`,
});

/** The room on a node's disk; null = it keeps everything in memory. */
export function diskOf(options: {
  readonly directory: string | null;
  readonly minFreeBytes: number;
  readonly logger: Logger;
}): DiskRoom {
  const { directory, minFreeBytes, logger } = options;
  if (directory === null) return AMPLE_DISK;
  return new DiskWatch({ directory, minFreeBytes, timers: bunTimers(), logger });
}

/** A node's data and its certificate must speak of the same node: else one was moved here. */
function names(tls: TlsIdentity, clusterId: string, nodeId: NodeId): boolean {
  const certificate = new X509Certificate(tls.certificatePem);
  const named = identify(certificate.raw, clusterId);
  return named.ok && named.value.kind === "node" && named.value.nodeId === nodeId;
}

const foreignData = (directory: string, owner: { clusterId: string; nodeId: NodeId }): NlError =>
  nlError(
    "refused",
    `${directory} holds the data of ${owner.nodeId} in cluster ${owner.clusterId}, and its certificate is another node's`,
    "nothing was changed: put the data back to where it belongs",
  );

/** Whose directory this is: looks only, and changes nothing. */
export function ownerOf(
  directory: string,
): Result<{ readonly clusterId: string; readonly nodeId: NodeId }, NlError> {
  const identity = readIdentity(directory);
  return identity.ok ? identity : err(nlError("refused", identity.error.detail));
}

/** The same node with a log and snapshots that last as long as the process. */
export async function openEphemeralNode(directory: string): Promise<Result<Opened, NlError>> {
  const opened = await openNode(directory);
  if (!opened.ok) return opened;
  const { MemoryLogStore } = await import("./storage/memory-log-store.ts");
  const { MemorySnapshots, snapshotMemory } = await import("./storage/memory-snapshots.ts");
  const booted = await bootOnce(opened.value.logStore);
  if (!booted.ok) return booted;
  const snapshot = booted.value;
  const bytes = await readWhole(opened.value.snapshots, snapshot);
  if (!bytes.ok) return bytes;
  const timers = bunTimers();
  return ok({
    ...opened.value,
    logStore: new MemoryLogStore({ timers, snapshot }),
    snapshots: new MemorySnapshots(timers, snapshotMemory([[snapshot.id, bytes.value]])),
  });
}

async function readWhole(
  snapshots: NodeParts["snapshots"],
  snapshot: SnapshotMeta,
): Promise<Result<Uint8Array, NlError>> {
  const read = await new Promise<Result<Uint8Array, StorageError>>((done) =>
    snapshots.readChunk(snapshot, 0, snapshot.bytes, done),
  );
  return read.ok ? read : err(nlError("refused", read.error.detail, "nothing was changed"));
}

/** Reads the founding snapshot's record, and closes the log again. */
async function bootOnce(logStore: NodeParts["logStore"]) {
  const boot = await new Promise<Parameters<Parameters<typeof logStore.boot>[0]>[0]>((done) =>
    logStore.boot(done),
  );
  await new Promise<void>((done) => logStore.close(() => done()));
  if (!boot.ok) return err(nlError("refused", boot.error.detail));
  const { snapshot } = boot.value;
  return snapshot === null
    ? err(nlError("refused", "the node has no founding snapshot"))
    : ok(snapshot);
}

function certificateRefusal(error: CertificateFileError): NlError {
  const why = {
    unreadable: "cannot be read",
    malformed: "is not a certificate nl made",
    expired: "has expired",
    "key-mismatch": "does not belong to its key",
    "other-authority": "is signed by another CA",
  }[error.kind];
  return nlError("refused", `${error.path} ${why}`, "new ones: nl certs init");
}
