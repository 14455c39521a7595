import { CoreSimulation } from "../core/core-simulation.ts";
import type { Observer } from "../observer.ts";
import type { Limits, RunReport, Trace, World } from "../run.ts";
import { SqliteDirectories } from "./sqlite-backing.ts";

/** The core on the real log store, in temporary directories that are gone after the run. */
export class SqliteSimulation implements World {
  readonly #core: CoreSimulation;
  readonly #directories = new SqliteDirectories();

  constructor(seed: number, trace: Trace, limits: Limits) {
    const directories = this.#directories;
    this.#core = new CoreSimulation(seed, trace, { ...limits, directories });
  }

  get observer(): Observer {
    return this.#core.observer;
  }

  get now(): number {
    return this.#core.now;
  }

  run(): RunReport {
    try {
      return this.#core.run();
    } finally {
      this.#directories.remove();
    }
  }
}
