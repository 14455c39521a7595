import { err, ok, type Result } from "../lib/result.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import type { Boot, SnapshotMeta } from "../raft/types.ts";
import { type ClusterState, createEmptyState } from "../state/create-state.ts";
import { type LoadOptions, StateLoad } from "./load-state.ts";

export type Booted = {
  readonly boot: Boot;
  /** What the log begins with, and the state in it; null on a node that has just joined. */
  readonly snapshot: SnapshotMeta | null;
  readonly state: ClusterState;
};

/** Reads the log and the snapshot it starts from; everything after it is applied again. */
export function loadNode(
  clusterId: string,
  platform: LoadOptions & { readonly logStore: LogStore },
  done: (result: Result<Booted, StorageError>) => void,
): void {
  platform.logStore.boot((booted) => {
    if (!booted.ok) {
      done(booted);
      return;
    }
    const { snapshot } = booted.value;
    if (snapshot === null) {
      done(begin(booted.value, clusterId));
      return;
    }
    const boot: Boot = { ...booted.value, applied: snapshot.index };
    new StateLoad(platform, snapshot, (loaded) => {
      if (loaded.ok) done(ok({ boot, snapshot, state: loaded.value }));
      else done(err(asStorageError(loaded.error)));
    });
  });
}

/** A node that joined has nothing, and no configuration: it hears of everything by a snapshot. */
function begin(boot: Boot, clusterId: string): Result<Booted, StorageError> {
  if (boot.lastIndex === 0) return ok({ boot, snapshot: null, state: createEmptyState(clusterId) });
  return err({ kind: "corrupt", detail: "the log has no snapshot to start from" });
}

const asStorageError = ({
  kind,
  detail,
}: {
  readonly kind: StorageError["kind"] | "refused";
  readonly detail: string;
}): StorageError => ({ kind: kind === "refused" ? "corrupt" : kind, detail });
