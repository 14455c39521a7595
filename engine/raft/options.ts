import { err, ok, type Result } from "../lib/result.ts";
import type { RaftConfig } from "./types.ts";

/** Largest data of one entry (DESIGN §4, Limits). */
export const ENTRY_DATA_BYTES_MAX = 512 * 1024;

export type Options = Required<Omit<RaftConfig, "trace">> & Pick<RaftConfig, "trace">;

const POSITIVE = [
  "id",
  "heartbeatTicks",
  "maxMsgBytes",
  "maxInflightMsgs",
  "maxInflightBytes",
  "maxApplyEntries",
] as const;

/** Fills in the defaults; the error says what cannot work. */
export function checkedOptions(config: RaftConfig): Result<Options, string> {
  const options = {
    preVote: true,
    checkQuorum: true,
    campaigns: true,
    maxMsgBytes: 512 * 1024,
    maxInflightMsgs: 64,
    maxInflightBytes: 8 * 1024 * 1024,
    maxUncommittedBytes: 64 * 1024 * 1024,
    maxApplyEntries: 1024,
    maxApplyLag: 65_536,
    learnerPromoteLag: 1024,
    maxCatchUpEntries: 1_000_000,
    stepDownOnRemoval: true,
    ...config,
  };
  for (const name of POSITIVE) {
    const value = options[name];
    if (!Number.isSafeInteger(value) || value < 1) {
      return err(`${name} must be a positive integer, not ${value}`);
    }
  }
  if (options.electionTicks <= options.heartbeatTicks) {
    return err("electionTicks must be larger than heartbeatTicks");
  }
  return ok(options);
}
