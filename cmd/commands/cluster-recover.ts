import { resolve } from "node:path";
import { nlError } from "../../engine/lib/error-code.ts";
import type { UnixMillis } from "../../engine/lib/ids.ts";
import { type ExaminedNode, examineNode, type Verdict } from "../../engine/offline/examine-node.ts";
import { type Recovered, recoverNode } from "../../engine/offline/recover-node.ts";
import { openStoppedNode } from "../../engine/offline/stopped-node.ts";
import { checkSettings } from "../../engine/open-node.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { askMembers, hasHealthyMajority, namesOf, requireStopped } from "../local/stopped-node.ts";
import { NlFailure } from "../nl-failure.ts";
import { EXIT_FAILED } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import type { World } from "../world.ts";

export const clusterRecover = command({
  name: "recover",
  summary: "Last resort when a majority is gone for good: go on with this node alone",
  examples: ["nl cluster recover --dir /var/lib/nl/n1"],
  args: { dir: { type: "string", valueHint: "DIR", description: "The node's data directory" } },
  run: runRecover,
});

async function runRecover(invocation: Invocation, world: World): Promise<number> {
  const given = invocation.text("dir");
  if (given === null) throw new UsageError("--dir is missing", "the data directory of a node");
  const directory = resolve(given);
  requireStopped(directory);
  const { node, verdict } = await examined(directory);
  await requireAlone(directory, node);
  world.err(consequences(node, verdict));
  if (!(await isConfirmed(invocation, world, node.self.nodeId))) {
    world.err("nothing was changed\n");
    return EXIT_FAILED;
  }
  const { term, firstIndex, lastIndex } = recover(directory, node);
  world.err(
    `${node.self.nodeId} is the only voter now, from term ${term} on; its log says so in entries ` +
      `${firstIndex} to ${lastIndex}\nstart it, then join new nodes\n`,
  );
  return 0;
}

async function examined(
  directory: string,
): Promise<{ readonly node: ExaminedNode; readonly verdict: Verdict }> {
  const wrong = (await checkSettings(directory)).find(({ state }) => state !== "whole");
  const { node, verdict, files } = examineNode(directory);
  const detail = wrong?.detail ?? files[0]?.detail ?? "";
  if (wrong === undefined && node !== null) return { node, verdict };
  throw new NlFailure(
    nlError(
      "refused",
      `${detail}; nothing was changed`,
      "recover another node of this cluster; all files: nl cluster repair --dry-run --dir DIR",
    ),
  );
}

/** Whoever answers may know more than this node, and would go on without it. */
async function requireAlone(directory: string, node: ExaminedNode): Promise<void> {
  const answers = await askMembers(directory, node.others);
  const there = answers.filter(({ said, isVoter }) => said !== null && isVoter);
  if (hasHealthyMajority(answers)) {
    throw refusal(
      `a healthy majority answers: ${namesOf(there)}`,
      "start this node: the leader repairs it. Or remove it and join a new one",
    );
  }
  if (there.length === 0) return;
  throw refusal(
    `${namesOf(there)} still runs`,
    "start this node, too: together they may be a majority. Else stop all of them, and recover " +
      "the one with the longest log",
  );
}

const refusal = (what: string, hint: string): NlFailure =>
  new NlFailure(nlError("refused", `${what}; nothing was changed`, hint));

function consequences(node: ExaminedNode, verdict: Verdict): string {
  const { self, others, lastIndex, lastTerm, commitIndex, jobCount } = node;
  const unsure = lastIndex - commitIndex;
  return [
    `${self.nodeId} would go on alone with its log up to entry ${lastIndex} of term ${lastTerm}: ` +
      `${jobCount} jobs`,
    verdict === "starts-damaged"
      ? "its log is damaged: what was acked and is missing here is lost for good"
      : "what the others had acked and this node had not received yet is lost for good",
    `${unsure} entries that it does not know as committed would count as committed`,
    others.length === 0
      ? "no other member is on record"
      : `never start the data of these again, they would be another cluster of the same name: ${namesOf(others)}`,
    "",
  ].join("\n");
}

async function isConfirmed(invocation: Invocation, world: World, nodeId: string): Promise<boolean> {
  if (invocation.isSet("yes")) return true;
  if (!world.inIsTerminal) {
    world.err("say -y to do it\n");
    return false;
  }
  world.err(`type ${nodeId} to do it: `);
  for await (const line of world.inputLines()) return line.trim() === nodeId;
  return false;
}

function recover(directory: string, { self }: ExaminedNode): Recovered {
  const opened = openStoppedNode(directory, self);
  if (!opened.ok) throw refusal(opened.error.detail, "keep the directory");
  const recovered = recoverNode(opened.value, Date.now() as UnixMillis);
  const closed = opened.value.log.close();
  if (!recovered.ok) throw refusal(recovered.error.detail, "keep the directory");
  if (!closed.ok) throw refusal(closed.error.detail, "keep the directory");
  return recovered.value;
}
