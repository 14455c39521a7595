import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Index, PeerId, Term } from "../../../engine/lib/ids.ts";
import { foundingOf } from "../founding.ts";
import { createWorld } from "../layers.ts";
import { runBatch, seedsFrom, total } from "../run.ts";
import { mustAgree } from "../world/disk-backing.ts";
import { LogImage } from "../world/log-image.ts";

const SEEDS = 3;

/** Virtual time is quick; a real disk is not. */
setDefaultTimeout(120_000);

describe("the core on the real log store", () => {
  test(`keeps its properties in ${SEEDS} bad worlds`, () => {
    const { reports, failures } = runBatch(
      (seed) => createWorld("sqlite", seed),
      seedsFrom(1, SEEDS),
    );

    expect(failures).toEqual([]);
    expect(total(reports, "crashes")).toBeGreaterThan(SEEDS);
    expect(total(reports, "snapshots")).toBeGreaterThan(0);
    expect(total(reports, "truncations")).toBeGreaterThan(0);
  });

  test("a store that has forgotten a vote, an entry or a snapshot is found out", () => {
    const founding = foundingOf(3, { bytes: 0, sha256: "" });
    const image = new LogImage(founding, new Map([[founding.id, 1]]));
    const hardState = { term: 2 as Term, votedFor: 1 as PeerId, commit: 1 as Index };
    const boot = { ...image.boot(0, false), hardState };

    mustAgree({ ...boot, hardState: { ...hardState, commit: 0 as Index } }, boot);

    const forgetful = { ...hardState, votedFor: 0 as PeerId };
    expect(() => mustAgree({ ...boot, hardState: forgetful }, boot)).toThrow("it finds");
    expect(() => mustAgree({ ...boot, lastIndex: 0 as Index }, boot)).toThrow("it finds");
    expect(() => mustAgree({ ...boot, snapshot: null }, boot)).toThrow("it finds");
  });
});
