import { parseArgs } from "node:util";

export type BenchOptions = {
  readonly rounds: number;
  /** Per case and round, warm-up included. */
  readonly seconds: number;
  readonly etcd: boolean;
  /** Deaths of a leader, of the failover bench. */
  readonly kills: number;
  /** How long, and with how many jobs in memory, the soak lasts. */
  readonly minutes: number;
  readonly jobs: number;
  /** Only cases whose name contains this. */
  readonly only: string | null;
  readonly distinct: boolean;
  /** A built nl instead of the source tree. */
  readonly binary: string | null;
  readonly profileDirectory: string | null;
  /** Where the temporary data goes; null: the system's folder for such. */
  readonly data: string | null;
};

const DEFAULT_ROUNDS = "5";
const DEFAULT_SECONDS = "2.5";
const DEFAULT_KILLS = "50";
const DEFAULT_MINUTES = "10";
/** As many as the state may hold. */
const DEFAULT_JOBS = "1000000";

export function parseOptions(words: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: "string", default: DEFAULT_ROUNDS },
      seconds: { type: "string", default: DEFAULT_SECONDS },
      kills: { type: "string", default: DEFAULT_KILLS },
      minutes: { type: "string", default: DEFAULT_MINUTES },
      jobs: { type: "string", default: DEFAULT_JOBS },
      "no-etcd": { type: "boolean", default: false },
      only: { type: "string" },
      distinct: { type: "boolean", default: false },
      binary: { type: "string" },
      profile: { type: "string" },
      data: { type: "string" },
    },
  });
  return {
    rounds: numberOf("rounds", values.rounds, { least: 1, most: 100 }),
    seconds: numberOf("seconds", values.seconds, { least: 0.5, most: 60 }),
    kills: numberOf("kills", values.kills, { least: 1, most: 1_000 }),
    minutes: numberOf("minutes", values.minutes, { least: 0.1, most: 24 * 60 }),
    jobs: numberOf("jobs", values.jobs, { least: 1, most: 1_000_000 }),
    etcd: !values["no-etcd"],
    only: values.only ?? null,
    distinct: values.distinct,
    binary: values.binary ?? null,
    profileDirectory: values.profile ?? null,
    data: values.data ?? null,
  };
}

function numberOf(
  name: string,
  text: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`--${name} takes a number from ${least} to ${most}, not "${text}"`);
}
