import { resolve } from "node:path";
import { nlError } from "../../engine/lib/error-code.ts";
import {
  type Examination,
  examineNode,
  type FileFinding,
  type Verdict,
} from "../../engine/offline/examine-node.ts";
import { openStoppedNode } from "../../engine/offline/stopped-node.ts";
import { checkSettings } from "../../engine/open-node.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { askMembers, hasHealthyMajority, namesOf, requireStopped } from "../local/stopped-node.ts";
import { NlFailure } from "../nl-failure.ts";
import { type Printing, printRows } from "../print.ts";
import { EXIT_FAILED } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import type { World } from "../world.ts";

export const clusterRepair = command({
  name: "repair",
  summary: "Say what the data of a stopped node is worth, and save what can be saved",
  examples: ["nl cluster repair --dir /var/lib/nl/n1 --dry-run"],
  args: {
    dir: { type: "string", valueHint: "DIR", description: "The node's data directory" },
    "dry-run": { type: "boolean", description: "Only look" },
  },
  run: runRepair,
});

async function runRepair(invocation: Invocation, world: World): Promise<number> {
  const given = invocation.text("dir");
  if (given === null) throw new UsageError("--dir is missing", "the data directory of a node");
  const directory = resolve(given);
  requireStopped(directory);
  const settings = await checkSettings(directory);
  const found = examineNode(directory);
  const rows = [...found.files, ...settings];
  printRows(rows, printing, { invocation, world });
  const isUsable = settings.every(({ state }) => state === "whole");
  if (found.verdict === "starts-damaged" && isUsable && !invocation.isSet("dry-run")) {
    await repair(directory, found, world);
  }
  world.err(`${isUsable ? CONCLUSIONS[found.verdict] : "it does not start: see above"}\n`);
  return isUsable && found.verdict !== "refuses" ? 0 : EXIT_FAILED;
}

const CONCLUSIONS: Readonly<Record<Verdict, string>> = {
  "starts-whole": "nothing is wrong with it: start it",
  "starts-damaged":
    "start it: it does not vote until a leader has given it everything again. If no leader can " +
    "come (a single node, or a majority in that state): nl cluster recover --dir DIR",
  refuses:
    "it does not start, and nothing of it can be used: keep the directory, remove the node from " +
    "the cluster and join a new one; a cluster of one begins again: nl snapshot restore",
};

/** What a start of the node would do: cut off what is rotten, and remember that it was. */
async function repair(directory: string, found: Examination, world: World): Promise<void> {
  const { node } = found;
  if (node === null) return;
  const answers = await askMembers(directory, node.others);
  if (hasHealthyMajority(answers)) {
    const there = namesOf(answers.filter(({ said }) => said !== null));
    throw new NlFailure(
      nlError(
        "refused",
        `a healthy majority answers: ${there}; nothing was changed`,
        "start this node: the leader repairs it, and knows better than this directory what is right",
      ),
    );
  }
  const opened = openStoppedNode(directory, node.self);
  const closed = opened.ok ? opened.value.log.close() : opened;
  if (!closed.ok) {
    throw new NlFailure(nlError("refused", closed.error.detail, "keep the directory"));
  }
  world.err(`kept everything up to entry ${node.lastIndex}; what was cut off is not deleted\n`);
}

const printing: Printing<FileFinding> = {
  columns: [
    { title: "FILE", value: ({ file }) => file },
    { title: "STATE", value: ({ state }) => state },
    { title: "DETAIL", value: ({ detail }) => detail },
  ],
  data: (finding) => finding,
  name: ({ file }) => file,
};
