import { isMember } from "../../engine/raft/conf.ts";
import { progressStateText, roleText } from "./etcd-text.ts";
import type { Block, Mismatch } from "./scenario.ts";
import type { ScenarioNode } from "./scenario-node.ts";

export type Difference = Omit<Mismatch, "block" | "cmd">;
type NodeOf = (id: string) => ScenarioNode;

const DROPPED = "raft proposal dropped";

/** Only what etcd printed is compared: with its log silenced it prints nothing. */
export function differences(
  block: Block,
  nodeOf: NodeOf,
  isDropped: boolean,
): readonly Difference[] {
  const found = [
    ...observedBy(block, nodeOf),
    ...each(block.raftlog, "log of", (id) => nodeOf(id).log),
    ...each(block.raftstate, "state of", (id) => raftState(nodeOf(id))),
    ...progressSeenBy(block, nodeOf),
  ];
  if (block.text !== undefined) {
    const expected = block.text.some((line) => line.includes(DROPPED));
    found.push({ what: "proposal dropped", expected, actual: isDropped });
  }
  return found.filter(({ expected, actual }) => !Bun.deepEquals(expected, actual));
}

const observedBy = (block: Block, nodeOf: NodeOf): readonly Difference[] =>
  (["soft", "hs", "entries", "committed"] as const).flatMap((what) =>
    each<unknown>(block[what], `${what} of`, (id) => nodeOf(id).observed[what]),
  );

function progressSeenBy({ status = {} }: Block, nodeOf: NodeOf): readonly Difference[] {
  return Object.entries(status).map(([id, members]) => {
    const shown = Object.entries(members).map(([member, { state, match }]) => [
      member,
      { state, match },
    ]);
    const what = `progress seen by ${id}`;
    return { what, expected: Object.fromEntries(shown), actual: progress(nodeOf(id)) };
  });
}

function each<Value>(
  expectations: Readonly<Record<string, Value>> = {},
  what: string,
  actual: (id: string) => unknown,
): readonly Difference[] {
  return Object.entries(expectations).map(([id, expected]) => ({
    what: `${what} ${id}`,
    expected,
    actual: actual(id),
  }));
}

function raftState(node: ScenarioNode): unknown {
  const { role, leader, term } = node.status;
  return { role: roleText(role), voter: node.isVoter, term, lead: leader };
}

/** A leader that is no member any more has no progress of its own in etcd's list. */
function progress(node: ScenarioNode): Readonly<Record<string, unknown>> {
  const { conf, progress: members } = node.status;
  const listed = members.filter(({ id }) => id !== node.id || isMember(conf, id));
  return Object.fromEntries(
    listed.map(({ id, state, match }) => [id, { state: progressStateText(state), match }]),
  );
}
