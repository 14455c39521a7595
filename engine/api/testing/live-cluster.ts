import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { bunRandom, bunTimers } from "../../bun-platform.ts";
import { connect, type GrpcClient } from "../../client/grpc-client.ts";
import { defaultNodeConfig } from "../../config/node-config.ts";
import { type JobId, mintJobId, type NodeId, type PeerId, type UnixMillis } from "../../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../lib/job-spec.ts";
import type { Result } from "../../lib/result.ts";
import { newNodes } from "../../new-cluster.ts";
import { type RunningNode, startNode } from "../../node.ts";
import {
  type Authority,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from "../../security/certificates.ts";
import type { Role } from "../../security/identity.ts";
import { AMPLE_DISK } from "../../storage/disk-watch.ts";
import { MemoryLogStore } from "../../storage/memory-log-store.ts";
import { MemorySnapshots, snapshotMemory } from "../../storage/memory-snapshots.ts";
import { FakeTaskHost } from "./fake-task-host.ts";

const CLUSTER_ID = "live-cluster";

type LiveNode = {
  readonly id: NodeId;
  readonly address: string;
  readonly tasks: FakeTaskHost;
  readonly running: RunningNode;
};

/** Whole nodes in this process: real gRPC and mTLS on loopback, logs in memory, fake tasks. */
export class LiveCluster {
  readonly nodes: LiveNode[] = [];
  readonly authority: Authority;
  readonly #clients: GrpcClient[] = [];

  private constructor(authority: Authority) {
    this.authority = authority;
  }

  static async start(
    size: number,
    config: { readonly tickMillis?: number } = {},
  ): Promise<LiveCluster> {
    const now = Date.now() as UnixMillis;
    const cluster = new LiveCluster(value(await createAuthority({ clusterId: CLUSTER_ID, now })));
    const ports = await freePorts(size * 2);
    const members = Array.from({ length: size }, (_, at) => ({
      nodeId: `n${at + 1}` as NodeId,
      peerId: (at + 1) as PeerId,
      storeId: `store-${at + 1}`,
      rpcAddress: `127.0.0.1:${ports[at * 2]}`,
      httpAddress: `127.0.0.1:${ports[at * 2 + 1]}`,
    }));
    const founding = { clusterId: CLUSTER_ID, clusterName: "live", at: now, members };
    for (const [at, fresh] of newNodes(founding).entries()) {
      const member = members[at];
      if (member === undefined) throw new Error("a member for each node");
      const { nodeId } = member;
      const leaf = await issueNodeCertificate(cluster.authority, { nodeId, addresses: [], now });
      const timers = bunTimers();
      const snapshots = snapshotMemory([[fresh.snapshot.id, fresh.snapshotBytes]]);
      const tasks = new FakeTaskHost();
      const node = await startNode({
        identity: { ...member, clusterId: CLUSTER_ID },
        rpcAddress: member.rpcAddress,
        httpAddress: member.httpAddress,
        directory: tmpdir(),
        tls: { ...value(leaf), caPem: cluster.authority.certificatePem },
        logStore: new MemoryLogStore({ timers, snapshot: fresh.snapshot }),
        snapshots: new MemorySnapshots(timers, snapshots),
        disk: AMPLE_DISK,
        worker: tasks,
        config: {
          ...defaultNodeConfig({ cores: 2, profile: "development" }),
          tickMillis: config.tickMillis ?? 20,
          slots: 4,
        },
        version: "0.0.0-test",
        logger: { log: () => {} },
      });
      cluster.nodes.push({ id: nodeId, address: member.rpcAddress, tasks, running: value(node) });
    }
    return cluster;
  }

  get addresses(): readonly string[] {
    return this.nodes.map(({ address }) => address);
  }

  async client(
    options: {
      readonly addresses?: readonly string[];
      readonly role?: Role;
      readonly user?: string;
    } = {},
  ): Promise<GrpcClient> {
    const { addresses = this.addresses, role = "admin", user = "alice" } = options;
    const now = Date.now() as UnixMillis;
    const leaf = value(await issueClientCertificate(this.authority, { user, role, now }));
    const client = connect({
      addresses,
      credentials: {
        ca: this.authority.certificatePem,
        cert: leaf.certificatePem,
        key: leaf.keyPem,
      },
      requestTimeoutMillis: 20_000,
    });
    this.#clients.push(client);
    return client;
  }

  /** The node that leads, once every node has registered itself. */
  async leader(): Promise<LiveNode> {
    const client = await this.client();
    for (;;) {
      const status = value(await client.getStatus());
      const listed = status.leaderId === "" ? null : await client.listNodes();
      const isComplete =
        listed?.ok === true && listed.value.nodes.every(({ version }) => version !== "");
      const leader = this.nodes.find(({ id }) => id === status.leaderId);
      if (isComplete && leader !== undefined) return leader;
      await Bun.sleep(10);
    }
  }

  async follower(): Promise<LiveNode> {
    const { id } = await this.leader();
    const other = this.nodes.find((node) => node.id !== id);
    if (other === undefined) throw new Error("one node has no follower");
    return other;
  }

  async stopNode(id: NodeId): Promise<void> {
    const at = this.nodes.findIndex((node) => node.id === id);
    const [node] = this.nodes.splice(at, 1);
    await node?.running.stop();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.nodes.map(({ running }) => running.stop()));
  }
}

export function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

export const newJobId = (): JobId => mintJobId((n) => bunRandom().below(n));

export const specOf = (...command: string[]): JobSpec => ({
  ...SPEC_DEFAULTS,
  name: "test",
  command,
  image: "",
  env: {},
  labels: {},
  resources: { cpuMillis: 1, memoryBytes: 6 * 1024 * 1024, pids: 8 },
});

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
