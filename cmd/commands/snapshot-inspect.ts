import { readSnapshotFile, type SavedSnapshot } from "../../engine/offline/snapshot-file.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { printRecord } from "../print.ts";

export const snapshotInspect = command({
  name: "inspect",
  summary: "What is in a saved snapshot, once all of it was checked",
  examples: ["nl snapshot inspect monday.snap", "nl snapshot inspect monday.snap -o json"],
  positionals: { name: "FILE", min: 1, max: 1 },
  run: async (invocation, world) => {
    const saved = orFail(await readSnapshotFile(invocation.first()));
    printRecord(recordOf(saved), { invocation, world });
    return 0;
  },
});

function recordOf({ snapshot, state }: SavedSnapshot) {
  const { index, term, id, bytes, sha256, conf } = snapshot;
  const { clusterId, clusterName, featureLevel, counts } = state;
  const savedAt = new Date(state.appliedAt).toISOString();
  const jobs = Object.entries(counts).filter(([, count]) => count > 0);
  const nodes = [...state.nodes.keys()];
  return {
    fields: [
      ["cluster", `${clusterName} (${clusterId})`],
      ["position", `index ${index}, term ${term}`],
      ["time", savedAt],
      ["members", `voters ${conf.voters.join(", ")}${learnersOf(conf.learners)}`],
      ["nodes", nodes.length === 0 ? "none" : nodes.join(", ")],
      ["jobs", String(state.jobs.size)],
      ...jobs.map(([name, count]) => [`  ${name}`, String(count)] as const),
      ["size", `${bytes} bytes`],
      ["sha256", `${sha256} (verified)`],
      ["state hash", state.stateHash()],
      ["feature level", String(featureLevel)],
    ] as const,
    data: {
      api: "v1",
      ...{ clusterId, clusterName, index, term, id, conf, savedAt, bytes, sha256, featureLevel },
      ...{ verified: true, stateHash: state.stateHash(), nodes, jobs: state.jobs.size, counts },
    },
    name: id,
  };
}

const learnersOf = (learners: readonly number[]): string =>
  learners.length === 0 ? "" : `; learners ${learners.join(", ")}`;
