import { bunClock } from "../../engine/bun-platform.ts";
import { NOBODY, type PeerId } from "../../engine/lib/ids.ts";
import type { PeerAddress } from "../../engine/platform/transport.ts";
import { FakeSnapshotNetwork } from "../../engine/replica/testing/fake-snapshot-network.ts";
import { GrpcServer } from "../../engine/transport/grpc-server.ts";
import { GrpcSnapshotLink, registerSnapshots } from "../../engine/transport/grpc-snapshot-link.ts";
import { GrpcTransport } from "../../engine/transport/grpc-transport.ts";
import { WINDOW_BYTES } from "../../engine/transport/outgoing-snapshot.ts";
import { GrpcLab, realRandom, realTimers, silentLogger, value } from "./grpc-transport-lab.ts";
import {
  type LinkNode,
  type LinkNodeOptions,
  nodeIdOf,
  type SnapshotLinkLab,
  snapshotLinkContract,
} from "./snapshot-link.ts";

const CHUNK_BYTES = 1024;

/** Links that reach each other through memory. */
class FakeLab implements SnapshotLinkLab {
  readonly chunkBytes = CHUNK_BYTES;
  readonly windowBytes = 0;
  /** What each node shows, and what it knows of the others. */
  readonly #nodes = new Map<PeerId, { options: LinkNodeOptions; knows: readonly PeerAddress[] }>();
  readonly #network = new FakeSnapshotNetwork({
    chunkBytes: CHUNK_BYTES,
    delayMillis: () => 0,
    stallMillis: 100,
    isReachable: (from, to) => this.#knows(from, to) && this.#knows(to, from),
  });

  async create(options: LinkNodeOptions): Promise<LinkNode> {
    const peerId = options.peerId as PeerId;
    const link = this.#network.open(peerId, realTimers, options.store);
    const known: { options: LinkNodeOptions; knows: readonly PeerAddress[] } = {
      options,
      knows: [],
    };
    this.#nodes.set(peerId, known);
    return {
      link,
      address: addressOf(options, options.at?.address ?? "memory"),
      setPeers(peers) {
        known.knows = peers;
        link.setPeers(peers);
      },
      kill: async () => link.stop(),
    };
  }

  #knows(who: PeerId, whom: PeerId): boolean {
    const shown = this.#nodes.get(whom)?.options;
    const known = this.#nodes.get(who)?.knows.find(({ peerId }) => peerId === whom);
    if (shown === undefined || shown.isUser === true) return false;
    return known?.storeId === addressOf(shown, "").storeId;
  }
}

/** Real links on loopback, each with a server and certificates of its own. */
class GrpcLinkLab implements SnapshotLinkLab {
  readonly chunkBytes = CHUNK_BYTES;
  readonly windowBytes = WINDOW_BYTES;
  readonly #certificates = new GrpcLab();

  async create(options: LinkNodeOptions): Promise<LinkNode> {
    const nodeId = nodeIdOf(options.peerId);
    const certificates = this.#certificates;
    const { isUser = false, store } = options;
    const tls = await (isUser ? certificates.user("blue") : certificates.node("blue", nodeId));
    const server = new GrpcServer({ tls, timers: realTimers });
    const port = Number(options.at?.address.split(":")[1] ?? 0);
    const bound = value(await server.listen({ host: "127.0.0.1", port }));
    const address = addressOf(options, `127.0.0.1:${bound}`);
    const ports = { tls, timers: realTimers, logger: silentLogger };
    const handshake = new GrpcTransport({
      ...{ clusterId: "blue", self: address, random: realRandom },
      ...ports,
    });
    const link = new GrpcSnapshotLink({
      ...{ clusterId: "blue", handshake, store, clock: bunClock(), chunkBytes: CHUNK_BYTES },
      ...ports,
    });
    registerSnapshots(server.server, link);
    return {
      link,
      address,
      setPeers(peers) {
        handshake.setPeers(peers, NOBODY);
        link.setPeers(peers);
      },
      async kill() {
        link.stop();
        await server.stop(0);
      },
    };
  }
}

const addressOf = (options: LinkNodeOptions, address: string): PeerAddress => ({
  peerId: options.peerId as PeerId,
  nodeId: nodeIdOf(options.peerId),
  storeId: options.storeId ?? `store-${options.peerId}`,
  address,
});

snapshotLinkContract("in memory", () => new FakeLab());
snapshotLinkContract("gRPC over mTLS on loopback", () => new GrpcLinkLab());
