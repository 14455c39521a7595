import type { NodeConfig } from "../../engine/config/node-config.ts";
import { parseSize } from "../../engine/config/sizes.ts";
import type { Invocation } from "../invocation.ts";
import { UsageError } from "../usage-error.ts";
import type { World } from "../world.ts";

type Settings = NodeConfig["snapshots"];

const ENTRIES_MIN = 100;
const LOG_BYTES_MIN = 64 * 1024;
const COUNT_MAX = 1_000_000_000;

/** What `nl agent` takes to say when a node makes snapshots. */
export const SNAPSHOT_ARGS = {
  "snapshot-entries": {
    type: "string",
    valueHint: "N",
    description: "Make a snapshot after so many log entries (default 100000)",
  },
  "snapshot-bytes": {
    type: "string",
    valueHint: "SIZE",
    description: "… or after so much log (default 64Mi)",
  },
  "snapshot-keep": {
    type: "string",
    valueHint: "N",
    description: "Entries of log kept before a snapshot (default 10000)",
  },
} as const;

/** A flag wins over the environment, which serves the nodes of `nl up`. */
export function snapshotSettings(invocation: Invocation, world: World, base: Settings): Settings {
  const count = (name: string, min: number): number | null => {
    const flag = invocation.integer(name, min, COUNT_MAX);
    return flag ?? countOf(world, variableOf(name), min);
  };
  const entries = count("snapshot-entries", ENTRIES_MIN) ?? base.entries;
  return {
    entries,
    logBytes: logBytesOf(invocation, world) ?? base.logBytes,
    // Whoever wants snapshots more often wants a shorter log, too.
    keepEntries: count("snapshot-keep", 0) ?? Math.min(base.keepEntries, entries),
  };
}

function countOf(world: World, variable: string, min: number): number | null {
  const text = world.env[variable];
  if (text === undefined || text === "") return null;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= COUNT_MAX) return value;
  throw new UsageError(`${variable} takes a whole number from ${min}, not "${text}"`);
}

function logBytesOf(invocation: Invocation, world: World): number | null {
  const name = "snapshot-bytes";
  const flag = invocation.text(name);
  const text = flag ?? world.env[variableOf(name)] ?? "";
  if (text === "") return null;
  const size = parseSize(text);
  if (size.ok && size.value >= LOG_BYTES_MIN) return size.value;
  const where = flag === null ? variableOf(name) : `--${name}`;
  throw new UsageError(`${where} takes a size of at least 64Ki, not "${text}"`);
}

/** `snapshot-keep` → `NL_SNAPSHOT_KEEP`. */
const variableOf = (name: string): string => `NL_${name.toUpperCase().replaceAll("-", "_")}`;
