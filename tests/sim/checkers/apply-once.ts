import type { Index, PeerId } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "applied once, durable, with one result";

/**
 * A life applies every index once and in order, and only what is durable here (reference/raft.md
 * §3.3, sentence 9); equal applied indices have equal state hashes. (SEMANTICS S14; property 13)
 */
export function applyOnce(): Checker {
  const appliedBy = new Map<PeerId, Index>();
  const hashes = new Map<Index, string>();
  return {
    name: NAME,
    onBoot: (member) => {
      appliedBy.set(member.peerId, member.disk.durable.snapshotIndex);
    },
    onApplied: (member, index, chain) => {
      must(member.disk.durable.holds(index, chain), NAME, () => {
        return `${member.nodeId} applies ${index} before it is durable there`;
      });
      const last = appliedBy.get(member.peerId) ?? 0;
      must(index === last + 1, NAME, () => `${member.nodeId} applies ${index} after ${last}`);
      appliedBy.set(member.peerId, index);
    },
    onRestored: (member, { index }) => {
      const last = appliedBy.get(member.peerId) ?? 0;
      must(index > last && member.disk.durable.snapshotIndex >= index, NAME, () => {
        return `${member.nodeId} restores ${index} after ${last}, or before it is durable there`;
      });
      appliedBy.set(member.peerId, index);
    },
    onStateHash: (member, index, hash) => {
      const known = hashes.get(index);
      if (known === undefined) hashes.set(index, hash);
      else {
        must(known === hash, NAME, () => {
          return `${member.nodeId} has another state than others had at index ${index}`;
        });
      }
    },
  };
}
