import type { ClusterEvent, ClusterStatus, Job, Node, WatchEvent } from "../client/client.ts";

export type Connection =
  | { readonly kind: "connecting"; readonly address: string; readonly tries: number }
  | { readonly kind: "loading"; readonly nodeId: string; readonly total: number }
  | { readonly kind: "attached"; readonly nodeId: string; readonly roundTripMillis: number | null }
  /** Was attached: what is shown is old, and says so. */
  | {
      readonly kind: "reconnecting";
      readonly since: number;
      readonly tries: number;
      readonly address: string;
      readonly reason: string;
    }
  | { readonly kind: "refused"; readonly message: string };

/**
 * Everything a screen may show. One record, changed in place by `reduce` so that ten thousand jobs
 * are not copied per frame; `version` grows with every change, which is what painters subscribe to.
 */
export type Model = {
  version: number;
  connection: Connection;
  clusterName: string;
  status: ClusterStatus | null;
  readonly jobs: Map<string, Job>;
  readonly nodes: Map<string, Node>;
  readonly events: ClusterEvent[];
  totalJobs: number;
  /** Unix milliseconds of the last byte from the cluster. */
  heardAt: number;
};

const EVENTS_MAX = 500;
const FINISHED_MAX = 1_000;

export const createModel = (now: number): Model => ({
  version: 0,
  connection: { kind: "connecting", address: "", tries: 0 },
  clusterName: "",
  status: null,
  jobs: new Map(),
  nodes: new Map(),
  events: [],
  totalJobs: 0,
  heardAt: now,
});

/** What a watch event changes. `now` in Unix milliseconds. */
export function reduce(model: Model, event: WatchEvent, now: number): void {
  model.version += 1;
  if (event.kind !== "connecting" && event.kind !== "lost") model.heardAt = now;
  switch (event.kind) {
    case "connecting":
      model.connection = connecting(model.connection, event.address);
      return;
    case "attached":
      model.clusterName = event.clusterName;
      model.connection = event.resumed
        ? { kind: "attached", nodeId: event.nodeId, roundTripMillis: null }
        : { kind: "loading", nodeId: event.nodeId, total: 0 };
      return;
    case "snapshot":
      applySnapshot(model, event);
      return;
    case "delta":
      applyDelta(model, event);
      return;
    case "status":
      model.status = event.status;
      return;
    case "alive":
      if (model.connection.kind === "attached") {
        model.connection = { ...model.connection, roundTripMillis: event.roundTripMillis };
      }
      return;
    case "lost":
      model.connection = lost(model.connection, event.reason, now);
      return;
    case "refused":
      model.connection = { kind: "refused", message: event.error.message };
      return;
    default:
      event satisfies never;
  }
}

function connecting(before: Connection, address: string): Connection {
  if (before.kind === "reconnecting") return { ...before, address, tries: before.tries + 1 };
  const tries = before.kind === "connecting" ? before.tries + 1 : 1;
  return { kind: "connecting", address, tries };
}

function lost(before: Connection, reason: string, now: number): Connection {
  if (before.kind === "reconnecting") return { ...before, reason };
  if (before.kind === "connecting") return before;
  return { kind: "reconnecting", since: now, tries: 0, address: "", reason };
}

function applySnapshot(model: Model, event: Extract<WatchEvent, { kind: "snapshot" }>): void {
  if (event.first) {
    model.jobs.clear();
    model.nodes.clear();
  }
  for (const job of event.jobs) model.jobs.set(job.id, job);
  for (const node of event.nodes) model.nodes.set(node.id, node);
  model.totalJobs = event.totalJobs;
  const { connection } = model;
  if (connection.kind !== "loading") return;
  model.connection = event.done
    ? { kind: "attached", nodeId: connection.nodeId, roundTripMillis: null }
    : { ...connection, total: event.totalJobs };
}

function applyDelta(model: Model, event: Extract<WatchEvent, { kind: "delta" }>): void {
  for (const job of event.jobs) {
    if (!model.jobs.has(job.id)) model.totalJobs += 1;
    model.jobs.set(job.id, job);
  }
  for (const id of event.removedJobs) model.jobs.delete(id);
  for (const node of event.nodes) model.nodes.set(node.id, node);
  for (const id of event.removedNodes) model.nodes.delete(id);
  model.events.push(...event.events);
  if (model.events.length > EVENTS_MAX) model.events.splice(0, model.events.length - EVENTS_MAX);
  forgetOldest(model);
}

/** Finished jobs beyond the newest thousand leave the screen, not the cluster. */
function forgetOldest(model: Model): void {
  const excess = model.jobs.size - 2 * FINISHED_MAX;
  if (excess <= 0) return;
  const finished = [...model.jobs.values()]
    .filter(({ finishedAt }) => finishedAt > 0)
    .sort((a, b) => a.finishedAt - b.finishedAt);
  for (const { id } of finished.slice(0, Math.max(0, finished.length - FINISHED_MAX))) {
    model.jobs.delete(id);
  }
}
