import { describe, expect, test } from "bun:test";
import { defaultNodeConfig, type NodeConfig, validateNodeConfig } from "./node-config.ts";

const base = defaultNodeConfig({ cores: 2, profile: "development" });

describe("node config", () => {
  test.each(["development", "staging", "production"] as const)(
    "the defaults of %s hold",
    (profile) => {
      const config = defaultNodeConfig({ cores: 2, profile });

      expect(validateNodeConfig(config)).toEqual({ ok: true, value: config });
      expect(config.slots).toBe(4);
      expect(config.drivers.plainAllowed).toBe(profile === "development");
    },
  );

  test.each<[keyof NodeConfig, Partial<NodeConfig>]>([
    ["grpcPort", { grpcPort: 0 }],
    ["httpPort", { httpPort: 7171 }],
    ["tickMillis", { tickMillis: 0 }],
    ["electionTicksMin", { electionTicksMin: 4 }],
    ["electionTicksMax", { electionTicksMax: 10 }],
    ["suspectMillis", { suspectMillis: 3_000 }],
    ["leaseKillMillis", { leaseKillMillis: 15_000 }],
    ["lostMillis", { lostMillis: 29_000 }],
    ["minFreeBytes", { minFreeBytes: -1 }],
    ["slots", { slots: 0 }],
    ["snapshots", { snapshots: { ...base.snapshots, entries: 99 } }],
    ["snapshots", { snapshots: { ...base.snapshots, logBytes: 0 } }],
    ["snapshots", { snapshots: { ...base.snapshots, keepEntries: -1 } }],
    ["drivers", { profile: "production" }],
  ])("%s is refused in %j", (field, change) => {
    const result = validateNodeConfig({ ...base, ...change });

    expect(result.ok ? [] : result.error.map((error) => error.field)).toContain(field);
  });

  test("everything that is wrong is said at once", () => {
    const result = validateNodeConfig({ ...base, slots: 0, tickMillis: -1 });

    expect(result.ok ? [] : result.error.map(({ field }) => field)).toEqual([
      "tickMillis",
      "slots",
    ]);
  });
});
