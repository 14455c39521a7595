import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Index, NodeId, PeerId, Term } from "../lib/ids.ts";
import { readIdentity } from "../storage/data-directory.ts";
import { readMark } from "../storage/mark-file.ts";
import { nodeFiles } from "../storage/node-files.ts";
import type { Damage } from "../storage/open-log.ts";
import { SqliteLog } from "../storage/sqlite-log.ts";
import { openStoppedNode, type StoppedNode } from "./stopped-node.ts";

/** What was found out about one file: one word, one sentence. */
export type FileFinding = {
  readonly file: string;
  readonly state: "whole" | "damaged" | "missing";
  readonly detail: string;
};

/** What a node would do with its data if it were started now. */
export type Verdict = "starts-whole" | "starts-damaged" | "refuses";

export type Examination = {
  readonly files: readonly FileFinding[];
  readonly verdict: Verdict;
  /** Null when there is no telling what state the data make. */
  readonly node: ExaminedNode | null;
};

export type ExaminedNode = {
  readonly self: StoppedNode["self"];
  readonly lastIndex: Index;
  readonly commitIndex: Index;
  readonly term: Term;
  /** Of the log's last entry. */
  readonly lastTerm: Term;
  readonly jobCount: number;
  /** Every other member of the Raft group, with its address as this node knows it. */
  readonly others: readonly OtherMember[];
};

export type OtherMember = {
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly address: string;
  readonly isVoter: boolean;
};

/** Looks at a copy: nothing in the directory changes. It must be that of a node that is stopped. */
export function examineNode(directory: string): Examination {
  const copy = mkdtempSync(join(tmpdir(), "nl-examine-"));
  try {
    copyData(directory, copy);
    const marked = markFinding(directory);
    const identity = readIdentity(copy);
    if (!identity.ok) return refused([logFinding(directory, identity.error.detail), marked]);
    const opened = openStoppedNode(copy, identity.value);
    if (!opened.ok) {
      const files = [logFinding(directory, opened.error.detail), marked];
      return losesSnapshot(copy)
        ? { ...refused(files), verdict: "starts-damaged" }
        : refused(files);
    }
    const { damage } = opened.value.log;
    const node = describe(opened.value);
    opened.value.log.close();
    const state = damage === null || damage === "no-mark" ? "whole" : "damaged";
    const detail = `${what(damage)}; good up to entry ${node.lastIndex} of term ${node.lastTerm}`;
    const log: FileFinding = { file: "log.sqlite", state, detail };
    const verdict = damage === null ? "starts-whole" : "starts-damaged";
    return { files: [log, marked, snapshotFinding(opened.value)], verdict, node };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function refused(files: readonly FileFinding[]): Examination {
  return { files, verdict: "refuses", node: null };
}

/** Its snapshot is rotten, and there are others to send it another one. */
function losesSnapshot(copy: string): boolean {
  const monotonicMillis = (): number => performance.now();
  const log = new SqliteLog({
    directory: copy,
    expected: null,
    snapshotFile: "must-be-whole",
    monotonicMillis,
  });
  const isLost = log.boot().ok && log.damage === "snapshot-lost";
  log.close();
  return isLost;
}

function copyData(directory: string, copy: string): void {
  const { log, wal, mark, snapshots } = nodeFiles(directory);
  const paths = [log, wal, mark].filter(existsSync);
  for (const path of paths) copyFileSync(path, join(copy, basename(path)));
  if (!existsSync(snapshots)) return;
  mkdirSync(join(copy, "snapshots"));
  for (const name of readdirSync(snapshots)) {
    copyFileSync(join(snapshots, name), join(copy, "snapshots", name));
  }
}

function logFinding(directory: string, detail: string): FileFinding {
  const { log } = nodeFiles(directory);
  const state = existsSync(log) ? "damaged" : "missing";
  return { file: "log.sqlite", state, detail: withoutCopy(detail, directory) };
}

/** What is said of the copy is true of the directory. */
const withoutCopy = (detail: string, directory: string): string =>
  detail.replaceAll(new RegExp(`${tmpdir()}/nl-examine-\\w+`, "g"), directory);

function markFinding(directory: string): FileFinding {
  const { mark: path } = nodeFiles(directory);
  const file = "mark";
  if (!existsSync(path)) {
    return { file, state: "missing", detail: "what this node promised is known from its log only" };
  }
  const mark = readMark(path);
  if (mark === null) {
    return { file, state: "damaged", detail: "neither of its two slots is what was written" };
  }
  const { term, votedFor, last } = mark;
  const detail = `term ${term}, vote for ${votedFor}, log up to entry ${last.index}`;
  return { file, state: "whole", detail };
}

const snapshotFinding = ({ snapshot }: StoppedNode): FileFinding => ({
  file: join("snapshots", snapshot.id),
  state: "whole",
  detail: `the state at entry ${snapshot.index}`,
});

function describe({ boot, state, conf, self, snapshot }: StoppedNode): ExaminedNode {
  const voters = new Set<PeerId>([...conf.voters, ...conf.votersOutgoing]);
  const members = new Set<PeerId>([...voters, ...conf.learners, ...conf.learnersNext]);
  const records = [...state.nodes.values()].filter(({ peerId }) => members.has(peerId));
  return {
    self,
    lastIndex: boot.lastIndex,
    commitIndex: boot.hardState?.commit ?? snapshot.index,
    term: boot.hardState?.term ?? snapshot.term,
    lastTerm: boot.termRuns.at(-1)?.term ?? snapshot.term,
    jobCount: state.jobs.size,
    others: records
      .filter(({ peerId }) => peerId !== self.peerId)
      .map(({ id, peerId, rpcAddress }) => ({
        nodeId: id,
        peerId,
        address: rpcAddress,
        isVoter: voters.has(peerId),
      })),
  };
}

/** The damage as people say it. */
function what(damage: Damage | null): string {
  switch (damage) {
    case null:
      return "nothing is missing";
    case "no-mark":
      return "nothing shows that something is missing, but without its mark nobody can know";
    case "not-yet-repaired":
      return "it was found damaged before, and was not repaired yet";
    case "wal-cut-short":
      return "its write-ahead log has lost transactions that were durable";
    case "chain-broken":
      return "an entry is not what was written";
    case "mark-not-in-log":
      return "it does not contain what the mark names";
    case "vote-behind-mark":
      return "it has forgotten a vote that the mark knows";
    case "hard-state-unreadable":
      return "its record of term and vote is not what was written";
    case "commit-beyond-log":
      return "it ends before what was known to be committed";
    case "snapshot-lost":
      return "the snapshot that it begins with is not what was written";
  }
}
