import { chmodSync, closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { type Index, NOBODY, type Term } from "../lib/ids.ts";
import { bootConf } from "../raft/boot-state.ts";
import type { Boot, Entry, HardState, SnapshotMeta } from "../raft/types.ts";
import { isSamePosition, ORIGIN, type Position } from "./chain.ts";
import { type LogTables, openTables } from "./log-tables.ts";
import { type Identity, type Mark, MarkFile, readMark } from "./mark-file.ts";
import { DIRECTORY_MODE, FILE_MODE, nodeFiles } from "./node-files.ts";
import { rebuildLog } from "./rebuild-log.ts";
import { type LogScan, scanLog } from "./scan-log.ts";
import {
  digestFileNow,
  findMismatch,
  removeUnnamedSnapshots,
  snapshotPaths,
} from "./snapshot-bytes.ts";
import { StorageFault, toStorageError } from "./storage-fault.ts";
import { countDurableFrames } from "./wal-evidence.ts";

/**
 * Whether the file of the log's snapshot is looked at. `must-be-whole`: without it the log is
 * worth nothing, and a node that is not the only voter begins again with none of it, as damaged.
 */
export type SnapshotFileRule = "must-be-whole" | "not-looked-at";

/** Whom the caller takes the directory for; null = whoever it belongs to. */
export type ExpectedOwner = { readonly clusterId: string; readonly nodeId: string };

/** Why a log is not what its node had made durable (DESIGN, Log store). */
export type Damage =
  | "no-mark"
  | "not-yet-repaired"
  | "wal-cut-short"
  | "chain-broken"
  | "mark-not-in-log"
  | "vote-behind-mark"
  | "hard-state-unreadable"
  | "commit-beyond-log"
  | "snapshot-lost";

/** Everything that `SqliteLog` works on, verified. */
export type OpenedLog = {
  readonly tables: LogTables;
  readonly mark: MarkFile;
  readonly identity: Identity;
  readonly base: Position;
  readonly last: Position;
  readonly snapshot: SnapshotMeta | null;
  readonly hardState: HardState | null;
  readonly damage: Damage | null;
  readonly damagedTerm: Term | null;
  readonly boot: Boot;
};

/** Bytes of entries handed to the core's cache at boot. */
const TAIL_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Locks, verifies and loads one node's log. Throws `StorageFault`s and what SQLite throws; then
 * nothing was changed that a later attempt needs (`LogTables` keeps the WAL when it closes).
 */
export function openLog(
  directory: string,
  expected: ExpectedOwner | null,
  snapshotFile: SnapshotFileRule,
): OpenedLog {
  const files = nodeFiles(directory);
  checkPresence(directory);
  const durableFrames = countDurableFrames(files.wal);
  let tables = lockTables(directory);
  let mark: MarkFile | null = null;
  try {
    const marked = existsSync(files.mark) ? readMark(files.mark) : null;
    const identity = checkIdentity({ directory, tables, mark: marked, expected });
    takeOver(directory);
    mark = new MarkFile(files.mark);
    const isWalCut = tables.checkpoint("PASSIVE") < durableFrames;
    const found = surveyLog({ tables, mark, identity, isWalCut });
    const isLost = snapshotFile === "must-be-whole" && isSnapshotLost(files.snapshots, found);
    const survey = isLost ? withoutLog(found) : found;
    tables = settle({ directory, tables, mark, survey });
    const { snapshot, damage } = survey;
    // A damaged log may name an old one: then nothing goes that may still be needed.
    if (snapshot !== null && damage === null) removeUnnamedSnapshots(files.snapshots, snapshot.id);
    return toOpened({ tables, mark, survey });
  } catch (thrown) {
    mark?.close();
    tables.close();
    throw thrown;
  }
}

function checkPresence(directory: string): void {
  const files = nodeFiles(directory);
  if (existsSync(files.log)) return;
  if (existsSync(files.mark)) {
    throw new StorageFault(
      "corrupt",
      `${files.log} is missing, so this node forgot what it promised: keep the directory, ` +
        "remove the node from the cluster and join it again as a new one",
    );
  }
  throw new StorageFault(
    "foreign",
    `${directory} holds no data of an nl node: check the path, or join the cluster as a new node`,
  );
}

/** The directory is ours: its files become private, and say whose they are. */
function takeOver(directory: string): void {
  const files = nodeFiles(directory);
  chmodSync(directory, DIRECTORY_MODE);
  // A mark that is gone is a mark without a valid slot: damaged, not refused.
  closeSync(openSync(files.mark, "a", FILE_MODE));
  for (const path of [files.log, files.wal, files.mark]) {
    if (existsSync(path)) chmodSync(path, FILE_MODE);
  }
  writeFileSync(files.pid, `${process.pid}\n`, { mode: FILE_MODE });
}

function lockTables(directory: string): LogTables {
  const files = nodeFiles(directory);
  try {
    return openTables(files.log);
  } catch (thrown) {
    const error = toStorageError(`opening ${files.log}`, thrown);
    if (error.kind !== "locked") throw thrown;
    throw new StorageFault(
      "locked",
      `${directory} is in use by ${holder(files.pid)}: stop that one first`,
    );
  }
}

function holder(pidPath: string): string {
  const pid = existsSync(pidPath) ? readFileSync(pidPath, "utf8").trim() : "";
  return pid === "" ? "another process" : `process ${pid}`;
}

function checkIdentity(options: {
  readonly directory: string;
  readonly tables: LogTables;
  readonly mark: Mark | null;
  readonly expected: ExpectedOwner | null;
}): Identity {
  const { directory, tables, mark, expected } = options;
  const stored = tables.get("identity");
  const identity = stored === "unreadable" ? (mark?.identity ?? null) : stored;
  if (identity === null) {
    throw new StorageFault(
      "corrupt",
      `${directory} no longer says which node it is: keep it, remove the node and join a new one`,
    );
  }
  if (mark !== null && mark.identity.storeId !== identity.storeId) {
    throw new StorageFault(
      "foreign",
      `${directory} mixes two nodes (log of ${identity.nodeId}, mark of ${mark.identity.nodeId}); ` +
        "nothing was changed: put back the files that belong together, or join as a new node",
    );
  }
  if (expected !== null) checkOwner(directory, identity, expected);
  return identity;
}

function checkOwner(directory: string, identity: Identity, expected: ExpectedOwner): void {
  const { clusterId, nodeId } = identity;
  if (clusterId === expected.clusterId && nodeId === expected.nodeId) return;
  throw new StorageFault(
    "foreign",
    `${directory} belongs to node ${nodeId} of cluster ${clusterId}, not to ${expected.nodeId} of ` +
      `${expected.clusterId}; nothing was changed: start that node on it, or choose another directory`,
  );
}

/** What the files say, and what of it is to be believed. */
type Survey = {
  readonly identity: Identity;
  readonly snapshot: SnapshotMeta | null;
  readonly scan: LogScan;
  readonly hardState: HardState | null;
  readonly damage: Damage | null;
  readonly damagedTerm: Term | null;
};

function surveyLog(options: {
  readonly tables: LogTables;
  readonly mark: MarkFile;
  readonly identity: Identity;
  readonly isWalCut: boolean;
}): Survey {
  const { tables, mark, identity, isWalCut } = options;
  const snapshot = readSnapshot(tables);
  const scan = scanLog(tables, snapshot);
  const stored = tables.get("hard_state");
  const voted = higherVote(stored === "unreadable" ? null : stored, mark.current, snapshot);
  const fresh = isWalCut
    ? "wal-cut-short"
    : findDamage({ tables, mark: mark.current, scan, stored, hardState: voted });
  const hardState = clampCommit(voted, scan.last.index);
  const damagedBefore = mark.current?.damagedTerm ?? null;
  const term = hardState?.term ?? (0 as Term);
  return {
    identity,
    snapshot,
    scan,
    hardState,
    damage: fresh ?? (damagedBefore === null ? null : "not-yet-repaired"),
    damagedTerm: fresh === null ? damagedBefore : term,
  };
}

/**
 * A log whose snapshot is not what was written cannot be used, but what it has promised can be
 * kept, if there is another voter to get everything from.
 */
function isSnapshotLost(folder: string, { snapshot, scan, hardState, identity }: Survey): boolean {
  if (snapshot === null) return false;
  const commit = hardState?.commit ?? snapshot.index;
  const known = { snapshot, confEntries: scan.confEntries, lastIndex: scan.last.index };
  const { voters, votersOutgoing } = bootConf(known, commit).conf;
  if (![...voters, ...votersOutgoing].some((id) => id !== identity.peerId)) return false;
  return findMismatch(snapshot, digestFileNow(snapshotPaths(folder, snapshot.id).whole)) !== null;
}

/** The vote stays; of the log nothing. */
const withoutLog = (survey: Survey): Survey => ({
  ...survey,
  snapshot: null,
  scan: { base: ORIGIN, last: ORIGIN, termRuns: [], confEntries: [], isBroken: true },
  hardState: clampCommit(survey.hardState, ORIGIN.index),
  damage: "snapshot-lost",
  damagedTerm: survey.hardState?.term ?? (0 as Term),
});

function readSnapshot(tables: LogTables): SnapshotMeta | null {
  const snapshot = tables.get("snapshot");
  if (snapshot !== "unreadable") return snapshot;
  throw new StorageFault(
    "corrupt",
    "the log's record of its snapshot is unreadable: keep the directory, remove this node from " +
      "the cluster and join it again as a new one",
  );
}

/** The higher of both votes: neither file alone is believed to have forgotten nothing. */
function higherVote(
  stored: HardState | null,
  mark: Mark | null,
  snapshot: SnapshotMeta | null,
): HardState | null {
  if (mark === null || (mark.term === 0 && stored === null)) return stored;
  const commit = stored?.commit ?? snapshot?.index ?? (0 as Index);
  const marked = { term: mark.term, votedFor: mark.votedFor, commit };
  if (stored === null || mark.term > stored.term) return marked;
  const isVoteMissing = mark.term === stored.term && mark.votedFor !== NOBODY;
  return isVoteMissing ? marked : stored;
}

function clampCommit(hardState: HardState | null, lastIndex: Index): HardState | null {
  if (hardState === null || hardState.commit <= lastIndex) return hardState;
  return { ...hardState, commit: lastIndex };
}

function findDamage(found: {
  readonly tables: LogTables;
  readonly mark: Mark | null;
  readonly scan: LogScan;
  readonly stored: HardState | "unreadable" | null;
  readonly hardState: HardState | null;
}): Damage | null {
  const { tables, mark, scan, stored, hardState } = found;
  if (mark === null) return "no-mark";
  if (stored === "unreadable") return "hard-state-unreadable";
  if (scan.isBroken) return "chain-broken";
  if (!contains(tables, scan, mark.last)) return "mark-not-in-log";
  // SQLite is committed first: a mark that knows more of a vote means that SQLite lost something.
  if (stored?.term !== hardState?.term || stored?.votedFor !== hardState?.votedFor) {
    return "vote-behind-mark";
  }
  if ((hardState?.commit ?? 0) > scan.last.index) return "commit-beyond-log";
  return null;
}

function contains(tables: LogTables, scan: LogScan, position: Position): boolean {
  if (position.index === 0) return true;
  if (position.index === scan.base.index) return isSamePosition(position, scan.base);
  if (position.index < scan.base.index || position.index > scan.last.index) return false;
  const row = tables.row(position.index);
  if (row === null) return false;
  const { entry, chain } = row;
  return isSamePosition(position, { index: entry.index, term: entry.term, chain });
}

/**
 * Makes durable what opening found out, before anything is written on top of it. Answers the tables
 * to go on with: those of a broken log are made anew.
 */
function settle(options: {
  readonly directory: string;
  readonly tables: LogTables;
  readonly mark: MarkFile;
  readonly survey: Survey;
}): LogTables {
  const { directory, tables, mark, survey } = options;
  const { identity, snapshot, hardState, damagedTerm, scan } = survey;
  const { base, last } = scan;
  const term = hardState?.term ?? (0 as Term);
  const votedFor = hardState?.votedFor ?? NOBODY;
  mark.write({ identity, term, votedFor, last, damagedTerm });
  if (scan.isBroken) {
    return rebuildLog(directory, tables, { identity, snapshot, hardState, base, last });
  }
  tables.transact(() => {
    tables.deleteUpTo(base.index);
    tables.put("identity", identity);
    tables.put("base", base);
    if (hardState !== null) tables.put("hard_state", hardState);
  });
  // From here on, any frame in the WAL is of this process life (`countDurableFrames`).
  tables.checkpoint("TRUNCATE");
  return tables;
}

function toOpened(found: {
  readonly tables: LogTables;
  readonly mark: MarkFile;
  readonly survey: Survey;
}): OpenedLog {
  const { tables, mark, survey } = found;
  const { identity, snapshot, hardState, damage, damagedTerm, scan } = survey;
  const { base, last, termRuns, confEntries } = scan;
  const boot: Boot = {
    hardState,
    snapshot,
    applied: snapshot?.index ?? (0 as Index),
    termRuns,
    confEntries,
    tail: readTail(tables, scan),
    lastIndex: last.index,
    damaged: damage !== null,
  };
  return { tables, mark, identity, base, last, snapshot, hardState, damage, damagedTerm, boot };
}

function readTail(tables: LogTables, scan: LogScan): readonly Entry[] {
  const tail: Entry[] = [];
  let bytes = 0;
  for (const { entry } of tables.backwardsFrom(scan.last.index)) {
    bytes += entry.data.length;
    if (entry.index <= scan.base.index || bytes > TAIL_BYTES_MAX) break;
    tail.push(entry);
  }
  return tail.reverse();
}
