import { describe, expect, test } from "bun:test";
import { defaultNodeConfig } from "../../engine/config/node-config.ts";
import { Invocation } from "../invocation.ts";
import type { World } from "../world.ts";
import { snapshotSettings } from "./snapshot-settings.ts";

const base = defaultNodeConfig({ cores: 2, profile: "development" }).snapshots;

function settingsOf(flags: Record<string, string>, env: Record<string, string> = {}) {
  const parsed = { flags: new Map(Object.entries(flags)), positionals: [], command: [] };
  return snapshotSettings(new Invocation(parsed), { env } as unknown as World, base);
}

describe("when a node makes snapshots", () => {
  test("is the default when nothing is said", () => {
    expect(settingsOf({})).toEqual(base);
  });

  test("is set by flags, which win over the environment", () => {
    const env = { NL_SNAPSHOT_ENTRIES: "5000", NL_SNAPSHOT_BYTES: "1Mi", NL_SNAPSHOT_KEEP: "7" };

    expect(settingsOf({}, env)).toEqual({ entries: 5_000, logBytes: 2 ** 20, keepEntries: 7 });
    expect(settingsOf({ "snapshot-entries": "1000", "snapshot-bytes": "2Mi" }, env)).toEqual({
      entries: 1_000,
      logBytes: 2 ** 21,
      keepEntries: 7,
    });
  });

  test("shortens the log as well when it is more often", () => {
    expect(settingsOf({ "snapshot-entries": "1000" }).keepEntries).toBe(1_000);
  });

  test.each([
    [{ "snapshot-entries": "99" }, {}, "--snapshot-entries takes a whole number from 100"],
    [{ "snapshot-bytes": "1" }, {}, "--snapshot-bytes takes a size of at least 64Ki"],
    [{}, { NL_SNAPSHOT_ENTRIES: "many" }, "NL_SNAPSHOT_ENTRIES takes a whole number from 100"],
    [{}, { NL_SNAPSHOT_BYTES: "1Ki" }, "NL_SNAPSHOT_BYTES takes a size of at least 64Ki"],
  ])("%j %j is refused with a sentence", (flags, env, words) => {
    expect(() => settingsOf(flags as Record<string, string>, env)).toThrow(words);
  });
});
