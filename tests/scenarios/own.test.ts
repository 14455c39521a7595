import { describe, expect, test } from "bun:test";
import { COMMANDS, parseCommand } from "./command.ts";
import { runScenario } from "./etcd-adapter.ts";
import { unnoticed } from "./flips.ts";
import { ELECTIONS } from "./own/election.ts";
import { MEMBERSHIP } from "./own/membership.ts";
import { REPLICATION } from "./own/replication.ts";
import { SNAPSHOTS } from "./own/snapshots.ts";
import { STORAGE } from "./own/storage.ts";
import type { Block } from "./scenario.ts";

const FAMILIES: Readonly<Record<string, Readonly<Record<string, readonly Block[]>>>> = {
  elections: ELECTIONS,
  replication: REPLICATION,
  snapshots: SNAPSHOTS,
  membership: MEMBERSHIP,
  storage: STORAGE,
};

test("every command of the language is used below", () => {
  const used = Object.values(FAMILIES).flatMap((scenarios) =>
    Object.values(scenarios).flatMap((blocks) => blocks.map(({ cmd }) => parseCommand(cmd).name)),
  );

  expect([...new Set(used)].sort()).toEqual([...COMMANDS].sort());
});

for (const [family, scenarios] of Object.entries(FAMILIES)) {
  describe(family, () => {
    for (const [name, blocks] of Object.entries(scenarios)) {
      test(name, () => {
        expect(runScenario(blocks)).toEqual([]);
        expect(unnoticed(blocks)).toEqual([]);
      });
    }
  });
}
