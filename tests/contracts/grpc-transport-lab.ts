import { bunRandom, bunTimers } from "../../engine/bun-platform.ts";
import type { NodeId, PeerId, UnixMillis } from "../../engine/lib/ids.ts";
import type { Result } from "../../engine/lib/result.ts";
import type { TlsIdentity } from "../../engine/security/certificate-files.ts";
import {
  type Authority,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from "../../engine/security/certificates.ts";
import { GrpcServer } from "../../engine/transport/grpc-server.ts";
import { GrpcTransport, registerRaft } from "../../engine/transport/grpc-transport.ts";
import type { LabNode, NodeOptions, TransportLab } from "./transport.ts";
import { nodeIdOf } from "./transport.ts";

const now = Date.now() as UnixMillis;

export const realTimers = bunTimers();
export const realRandom = bunRandom();
export const silentLogger = { log: () => {} };

/** Real transports on loopback, each with a server and certificates of its own. */
export class GrpcLab implements TransportLab {
  readonly #authorities = new Map<string, Promise<Authority>>();

  async create(options: NodeOptions): Promise<LabNode> {
    const { peerId, storeId = `store-${peerId}`, clusterId = "blue" } = options;
    const nodeId = nodeIdOf(options);
    const tls = options.isUser ? await this.user(clusterId) : await this.node(clusterId, nodeId);
    const server = new GrpcServer({ tls, timers: realTimers });
    const port = Number(options.at?.address.split(":")[1] ?? 0);
    const bound = value(await server.listen({ host: "127.0.0.1", port }));
    const address = {
      peerId: peerId as PeerId,
      nodeId,
      storeId,
      address: `127.0.0.1:${bound}`,
    };
    const transport = new GrpcTransport({
      clusterId,
      self: address,
      tls,
      timers: realTimers,
      random: realRandom,
      logger: silentLogger,
    });
    registerRaft(server.server, transport);
    const kill = async () => {
      transport.stop();
      await server.stop(0);
    };
    return { transport, address, kill };
  }

  async node(clusterId: string, nodeId: NodeId): Promise<TlsIdentity> {
    const authority = await this.authority(clusterId);
    const node = value(await issueNodeCertificate(authority, { nodeId, addresses: [], now }));
    return { ...node, caPem: authority.certificatePem };
  }

  async user(clusterId: string): Promise<TlsIdentity> {
    const authority = await this.authority(clusterId);
    const user = { user: "alice", role: "admin", now } as const;
    const client = value(await issueClientCertificate(authority, user));
    return { ...client, caPem: authority.certificatePem };
  }

  authority(clusterId: string): Promise<Authority> {
    const existing = this.#authorities.get(clusterId);
    const authority = existing ?? createAuthority({ clusterId, now }).then(value);
    this.#authorities.set(clusterId, authority);
    return authority;
  }
}

export function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
