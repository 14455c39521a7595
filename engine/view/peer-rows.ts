import type { Node, PeerStatus } from "../client/client.ts";
import { formatLatency } from "../lib/format-duration.ts";
import { fit, fitRight, formatCount, type Tone } from "./format.ts";
import { type Line, span } from "./line.ts";
import type { Model } from "./model.ts";

/** A member of the cluster as the first screen shows it: Raft's side and the worker's side. */
export type PeerRow = {
  readonly id: string;
  readonly peer: PeerStatus | null;
  readonly node: Node | null;
  readonly isLeader: boolean;
  readonly isAttached: boolean;
};

export function peerRows(model: Model): readonly PeerRow[] {
  const peers = new Map((model.status?.peers ?? []).map((peer) => [peer.nodeId, peer]));
  const ids = [...new Set([...peers.keys(), ...model.nodes.keys()])].sort();
  const attached = "nodeId" in model.connection ? model.connection.nodeId : "";
  return ids.map((id) => ({
    id,
    peer: peers.get(id) ?? null,
    node: model.nodes.get(id) ?? null,
    isLeader: model.status?.leaderId === id,
    isAttached: attached === id,
  }));
}

export function peerHeader(): Line {
  const left = `   ${fit("NODE", 9)}${fit("ROLE", 14)}${fit("WORK", 11)}`;
  const numbers = `${fitRight("MATCH", 11)}${fitRight("LAG", 8)}${fitRight("SENT", 7)}${fitRight("RTT", 8)}`;
  return [span(`${left}${numbers}${fitRight("JOBS", 8)}`, "muted")];
}

export function peerLine(row: PeerRow): Line {
  const { glyph, word, tone } = roleOf(row);
  const { peer, node } = row;
  const known = peer?.known === true;
  const lag = known ? formatCount(peer.lag) : "-";
  const jobs = node === null ? "-" : `${node.running + node.assigned}/${node.slots}`;
  return [
    span(fit(`${row.id}${row.isAttached ? " ◂you" : ""}`, 9)),
    span(fit(`${glyph} ${word}`, 14), tone),
    span(fit(workOf(node), 11), workTone(node)),
    span(fitRight(known ? formatCount(peer.matchIndex) : "-", 11)),
    span(fitRight(lag, 8), known && peer.lag > LAG_WARN ? "warn" : "plain"),
    span(fitRight(known ? String(peer.inflight) : "-", 7)),
    span(fitRight(roundTripOf(peer), 8)),
    span(fitRight(jobs, 8)),
  ];
}

/** Of the leader's heartbeats, as a rule. */
function roundTripOf(peer: PeerStatus | null): string {
  const heartbeat = peer?.heartbeat;
  return heartbeat && heartbeat.count > 0 ? formatLatency(heartbeat.p50Micros) : "-";
}

/** Entries a follower may be behind before it stands out. */
const LAG_WARN = 1_000;

function roleOf({ peer, isLeader, node }: PeerRow): {
  readonly glyph: string;
  readonly word: string;
  readonly tone: Tone;
} {
  if (isLeader) return { glyph: "▲", word: "leader", tone: "accent" };
  if (peer?.role === "down" || (peer === null && node?.liveness === "lost")) {
    return { glyph: "✗", word: "down", tone: "error" };
  }
  if (peer?.role === "candidate") return { glyph: "○", word: "candidate", tone: "warn" };
  if (peer === null) return { glyph: "●", word: "worker", tone: "plain" };
  return { glyph: "●", word: peer.role === "" ? "follower" : peer.role, tone: "plain" };
}

function workOf(node: Node | null): string {
  if (node === null) return "-";
  if (node.liveness !== "alive") return node.liveness;
  return node.eligibility === "" ? "ready" : node.eligibility;
}

function workTone(node: Node | null): Tone {
  if (node?.liveness === "lost") return "error";
  return node?.liveness === "suspect" || (node !== null && node.eligibility !== "ready")
    ? "warn"
    : "plain";
}
