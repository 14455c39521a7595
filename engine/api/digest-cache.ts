import { ClusterService, Digest, type PeerStatus } from "../../proto/gen/nl/v1/cluster.ts";
import type { Index, NodeId } from "../lib/ids.ts";
import { untilNextLook } from "../lib/next-look.ts";
import { formatPrincipal } from "../security/identity.ts";
import type { ApiDeps } from "./context.ts";
import type { NodeHearing } from "./leader-duties.ts";
import type { Leadership } from "./leadership.ts";

const POLL_MILLIS = 1_000;
/** Nobody has looked at it for so long: then it is asked for more rarely. */
const UNUSED_MILLIS = 10_000;
const UNUSED_POLL_MILLIS = 5_000;
/** A digest that is older says nothing any more. */
const DIGEST_AGE_MILLIS_MAX = 10_000;

type Received = {
  readonly digest: Digest;
  /** When the leader was asked: what it answered is at least as new. */
  readonly askedAtMillis: number;
  readonly leader: NodeId;
};

/**
 * What only the leader knows, on every other node: asked for once a second while somebody looks,
 * with its age. On the leader itself there is nothing to ask.
 */
export class DigestCache {
  readonly #deps: ApiDeps;
  readonly #leadership: Leadership;
  #received: Received | null = null;
  #freshAtMillis: number;
  #usedAtMillis: number;
  #askedAtMillis = Number.NEGATIVE_INFINITY;
  #cancelPoll: (() => void) | null = null;

  constructor(deps: ApiDeps, leadership: Leadership) {
    this.#deps = deps;
    this.#leadership = leadership;
    this.#freshAtMillis = deps.platform.clock.monotonicMillis();
    this.#usedAtMillis = this.#freshAtMillis;
  }

  start(): void {
    const { clock, timers } = this.#deps.platform;
    const millis = untilNextLook(clock.monotonicMillis(), POLL_MILLIS);
    this.#cancelPoll = timers.after(millis, () => {
      this.#poll();
      this.start();
    });
  }

  stop(): void {
    this.#cancelPoll?.();
    this.#cancelPoll = null;
  }

  /** At most this long ago, this node's state held everything that was committed. */
  ageMillis(): number {
    const now = this.#noteUse();
    if (this.#leadership.leads) return 0;
    this.#noteFreshness();
    return Math.max(0, Math.round(now - this.#freshAtMillis));
  }

  /** What the leader has heard of the nodes; empty when that is not known. */
  hearings(): ReadonlyMap<NodeId, NodeHearing> {
    if (this.#leadership.leads) return this.#deps.duties.hearings();
    const known = this.#current();
    const hearings = new Map<NodeId, NodeHearing>();
    if (known === null) return hearings;
    for (const node of known.digest.nodes) {
      hearings.set(node.nodeId as NodeId, {
        lastHeardMillis: node.lastHeardMillis + known.ageMillis,
        suspect: node.suspect,
      });
    }
    return hearings;
  }

  /** The leader's view of its peers, when this node follows and has it. */
  peers(): { readonly peers: readonly PeerStatus[]; readonly ageMillis: number } | null {
    const known = this.#current();
    const peers = known?.digest.status?.peers;
    return known && peers ? { peers, ageMillis: known.ageMillis } : null;
  }

  #current(): { readonly digest: Digest; readonly ageMillis: number } | null {
    const now = this.#noteUse();
    const received = this.#received;
    if (received === null || this.#leadership.leaderNode()?.id !== received.leader) return null;
    const ageMillis = Math.max(0, Math.round(now - received.askedAtMillis));
    return ageMillis > DIGEST_AGE_MILLIS_MAX ? null : { digest: received.digest, ageMillis };
  }

  #noteUse(): number {
    this.#usedAtMillis = this.#deps.platform.clock.monotonicMillis();
    return this.#usedAtMillis;
  }

  #noteFreshness(): void {
    const committed = this.#received?.digest.status?.commitIndex ?? Number.POSITIVE_INFINITY;
    if (this.#received !== null && this.#deps.replica.view.appliedIndex >= (committed as Index)) {
      this.#freshAtMillis = Math.max(this.#freshAtMillis, this.#received.askedAtMillis);
    }
  }

  #isDue(now: number, leader: NodeId): boolean {
    if (this.#received?.leader !== leader) return true;
    const isUnused = now - this.#usedAtMillis >= UNUSED_MILLIS;
    return !isUnused || now - this.#askedAtMillis >= UNUSED_POLL_MILLIS;
  }

  #poll(): void {
    const now = this.#deps.platform.clock.monotonicMillis();
    this.#noteFreshness();
    const route = this.#leadership.route();
    if (route.kind === "self") this.#freshAtMillis = now;
    if (route.kind !== "other" || !this.#isDue(now, route.nodeId)) return;
    this.#askedAtMillis = now;
    this.#deps.leaderLink.call(
      route,
      {
        principal: formatPrincipal({ kind: "node", nodeId: this.#deps.nodeId }),
        method: ClusterService.getDigest.path,
        request: ClusterService.getDigest.requestSerialize({
          lowDisk: this.#deps.diskShortage() !== null,
        }),
        timeoutMillis: POLL_MILLIS,
      },
      (answer) => {
        if (!answer.ok) return;
        const digest = decodeDigest(answer.value);
        if (digest === null) return;
        this.#received = { digest, askedAtMillis: now, leader: route.nodeId };
        this.#noteFreshness();
      },
    );
  }
}

function decodeDigest(bytes: Uint8Array): Digest | null {
  try {
    return Digest.decode(bytes);
  } catch {
    // A leader of another version may answer what this node cannot read: then nothing is known.
    return null;
  }
}
