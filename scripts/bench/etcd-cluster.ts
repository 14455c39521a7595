import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { findFreeRow } from "../../cmd/local/ports.ts";
import type { NodeId, UnixMillis } from "../../engine/lib/ids.ts";
import { CERTIFICATE_FILES, saveIdentity } from "../../engine/security/certificate-files.ts";
import { createAuthority, issueNodeCertificate } from "../../engine/security/certificates.ts";
import type { Lab, Started } from "./lab.ts";
import { call, openClient, type Target } from "./raw-client.ts";
import { need, type RunningCluster, until } from "./running-cluster.ts";

/** etcd's own words, hand-encoded: package etcdserverpb, `rpc.proto`. */
export const PUT_PATH = "/etcdserverpb.KV/Put";
const STATUS_PATH = "/etcdserverpb.Maintenance/Status";

const MEMBERS = ["e1", "e2", "e3"];
const FIRST_PORT = 23_790;
const PORT_STEP = 10;
const START_MILLIS_MAX = 20_000;
const CALL_MILLIS = 1_000;

export const etcdBinary = (): string | null => Bun.which("etcd");

/** Three members on loopback, peers and clients over mutual TLS, everything else at its default. */
export async function startEtcd(lab: Lab, name: string): Promise<RunningCluster> {
  const first = await findFreeRow(FIRST_PORT, 2 * MEMBERS.length, PORT_STEP);
  if (first === null) throw new Error("no free ports for etcd");
  const root = join(lab.directory, name);
  mkdirSync(root, { mode: 0o700 });
  const identity = await makeCertificates(join(root, "certs"));
  const members = MEMBERS.map((id, at) => ({
    id,
    client: first + 2 * at,
    peer: first + 2 * at + 1,
  }));
  const initial = members.map(({ id, peer }) => `${id}=https://127.0.0.1:${peer}`).join(",");
  const processes = members.map((member) =>
    lab.start(`${name}-${member.id}`, [etcdBinary() ?? "etcd", ...flagsOf(root, member, initial)]),
  );
  const targets = members.map(({ client }) => ({ ...identity, address: `127.0.0.1:${client}` }));
  const leader = await until(lab, { processes, millis: START_MILLIS_MAX }, () => leaderOf(targets));
  const leaderProcess = processes[targets.indexOf(leader)] as Started;
  return { target: leader, targets, processes, leader: leaderProcess };
}

type Member = { readonly id: string; readonly client: number; readonly peer: number };

function flagsOf(root: string, member: Member, initial: string): readonly string[] {
  const certs = join(root, "certs");
  const files = {
    "cert-file": join(certs, CERTIFICATE_FILES.node.certificate),
    "key-file": join(certs, CERTIFICATE_FILES.node.key),
    "trusted-ca-file": join(certs, CERTIFICATE_FILES.ca.certificate),
  };
  const tls = Object.entries(files).flatMap(([flag, path]) => [
    `--${flag}=${path}`,
    `--peer-${flag}=${path}`,
  ]);
  const client = `https://127.0.0.1:${member.client}`;
  const peer = `https://127.0.0.1:${member.peer}`;
  return [
    `--name=${member.id}`,
    `--data-dir=${join(root, member.id)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${initial}`,
    "--initial-cluster-state=new",
    "--client-cert-auth",
    "--peer-client-cert-auth",
    ...tls,
    "--logger=zap",
    "--log-level=error",
  ];
}

/** One certificate serves all members and the client: only its cost matters here. */
async function makeCertificates(directory: string): Promise<Omit<Target, "address">> {
  const now = Date.now() as UnixMillis;
  const authority = need(await createAuthority({ clusterId: "etcd-bench", now }));
  const node = { nodeId: "etcd" as NodeId, addresses: ["127.0.0.1"], now };
  const issued = need(await issueNodeCertificate(authority, node));
  const identity = { ...issued, caPem: authority.certificatePem };
  need(await saveIdentity(directory, "node", identity));
  return { ...identity, serverName: "localhost" };
}

async function leaderOf(targets: readonly Target[]): Promise<Target | null> {
  for (const target of targets) {
    const status = await statusOf(target);
    if (status !== null && status.leader !== 0n && status.leader === status.member) return target;
  }
  return null;
}

type Status = { readonly member: bigint; readonly leader: bigint };

async function statusOf(target: Target): Promise<Status | null> {
  const client = openClient(target);
  try {
    const options = { request: Buffer.alloc(0), deadlineMillis: CALL_MILLIS };
    return readStatus(await call(client, STATUS_PATH, options));
  } catch {
    return null; // Not up yet: asked again.
  } finally {
    client.close();
  }
}

/** `StatusResponse`: header = 1 (member_id = 2), leader = 4. */
function readStatus(bytes: Uint8Array): Status {
  const top = fieldsOf(bytes);
  const header = top.get(1);
  const member = header instanceof Uint8Array ? fieldsOf(header).get(2) : undefined;
  const leader = top.get(4);
  return {
    member: typeof member === "bigint" ? member : 0n,
    leader: typeof leader === "bigint" ? leader : 0n,
  };
}

function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, bigint | Uint8Array> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, bigint | Uint8Array>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === 0) fields.set(field, BigInt(reader.uint64()));
    else if (wireType === 2) fields.set(field, reader.bytes());
    else reader.skip(wireType);
  }
  return fields;
}
