import type { PeerId } from "../../../engine/lib/ids.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { Op } from "./register.ts";

/** What a client asks for; a repetition has the same `seq`. */
export type Command = {
  readonly client: number;
  readonly seq: number;
  readonly key: number;
  readonly op: Exclude<Op, { kind: "read" }>;
};

const KINDS = ["put", "submit", "cancel", "cas"] as const;
const HEAD_BYTES = 20;
const FILLER = 255;

export function encodeCommand({ client, seq, key, op }: Command): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([KINDS.indexOf(op.kind), key]);
  view.setUint32(4, client);
  view.setUint32(8, seq);
  if (op.kind === "put" || op.kind === "submit") view.setInt32(12, op.value);
  if (op.kind === "cas") {
    view.setInt32(12, op.from);
    view.setInt32(16, op.to);
  }
  return bytes;
}

/** Null: an entry that is only there to fill the log. */
export function decodeCommand(data: Uint8Array): Command | null {
  const kind = KINDS[data[0] ?? FILLER];
  if (kind === undefined) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [a, b] = [view.getInt32(12), view.getInt32(16)];
  return {
    client: view.getUint32(4),
    seq: view.getUint32(8),
    key: data[1] ?? 0,
    op: opOf(kind, a, b),
  };
}

function opOf(kind: (typeof KINDS)[number], a: number, b: number): Command["op"] {
  switch (kind) {
    case "put":
    case "submit":
      return { kind, value: a };
    case "cancel":
      return { kind };
    case "cas":
      return { kind, from: a, to: b };
  }
}

const LARGE_BYTES_MAX = 100_000;
/** The largest entry that a leader takes (`engine/raft/options.ts`). */
const CAP_BYTES = 512 * 1024;

/** An entry that changes nothing: mostly small, at times large, rarely as large as can be. */
export function filler(number: number, random: SimRandom): Uint8Array {
  const size = random.chance(0.02) ? random.below(LARGE_BYTES_MAX) : random.below(200);
  const bytes = new Uint8Array(random.chance(0.001) ? CAP_BYTES : 8 + size);
  bytes[0] = FILLER;
  new DataView(bytes.buffer).setUint32(4, number);
  return bytes;
}

const STORE_BYTES = 8;

/** The context of a change of membership: which store each added id stands for. */
export function encodeStores(stores: readonly (readonly [PeerId, number])[]): Uint8Array {
  const bytes = new Uint8Array(stores.length * STORE_BYTES);
  const view = new DataView(bytes.buffer);
  stores.forEach(([peer, store], place) => {
    view.setUint32(place * STORE_BYTES, peer);
    view.setUint32(place * STORE_BYTES + 4, store);
  });
  return bytes;
}

export function decodeStores(context: Uint8Array): readonly (readonly [PeerId, number])[] {
  const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
  return Array.from({ length: context.length / STORE_BYTES }, (_, place) => [
    view.getUint32(place * STORE_BYTES) as PeerId,
    view.getUint32(place * STORE_BYTES + 4),
  ]);
}
