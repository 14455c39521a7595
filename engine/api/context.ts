import type { NodeId } from "../lib/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { LeaderLink } from "../platform/leader-link.ts";
import type { Logger } from "../platform/logger.ts";
import type { OutputLink } from "../platform/output-link.ts";
import type { OutputReader } from "../platform/output-reader.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { Replica } from "../replica/replica.ts";
import type { DigestCache } from "./digest-cache.ts";
import type { JobChanges } from "./job-changes.ts";
import type { LeaderDuties } from "./leader-duties.ts";
import type { Leadership } from "./leadership.ts";

/** Everything the API needs from the node it serves. */
export type ApiDeps = {
  readonly nodeId: NodeId;
  readonly version: string;
  readonly replica: Replica;
  readonly duties: LeaderDuties;
  readonly leaderLink: LeaderLink;
  /** Output of attempts that ran elsewhere. */
  readonly outputLink: OutputLink;
  /** Output of attempts that ran on this machine. */
  readonly outputReader: OutputReader;
  readonly platform: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly random: Random;
    readonly logger: Logger;
  };
  /** Null while there is room on this node's disk; else one sentence: no new jobs are taken. */
  readonly diskShortage: () => string | null;
  /** The certificate of the cluster's authority. */
  readonly caPem: string;
  /** What people should know about this node, one sentence each. */
  readonly warnings: () => readonly string[];
  /** Told of every exception that is nobody's expected failure: the node stops. */
  readonly onBug: (bug: unknown) => void;
};

/** What every operation works with. */
export type ApiContext = ApiDeps & {
  readonly leadership: Leadership;
  readonly jobChanges: JobChanges;
  readonly digests: DigestCache;
  readonly startedAtMillis: number;
  /** Aborted when this node stops accepting calls: whoever waits is sent elsewhere. */
  readonly stopping: AbortSignal;
};
