import { unreachable } from "../lib/assert.ts";
import type { DriverChoice, JobSpec } from "../lib/job-spec.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { DriverStatus } from "../platform/task-host.ts";
import { DEFAULT_IMAGE } from "./drivers/docker-container.ts";
import { missingImage } from "./drivers/docker-failure.ts";
import type { DriverProbe, StartFailure, TaskDriver } from "./task-driver.ts";

type DriverName = DriverStatus["name"];

/** What the operator allows on this node. */
export type DriverPolicy = {
  /** `auto` allows all; another choice allows only that. */
  readonly choice: DriverChoice;
  /** Jobs may run without a sandbox when there is none (DESIGN, Drivers). */
  readonly plainAllowed: boolean;
};

/** Docker comes and goes while the host lives; a look at it costs a few milliseconds. */
const PROBE_VALID_MILLIS = 10_000;

/** What does not work may have been installed meanwhile; a sandbox that works goes on working. */
const isLasting = ({ status }: DriverProbe): boolean => status.usable && status.name !== "docker";

type Known = { readonly probe: Promise<DriverProbe>; readonly at: number };

/**
 * Chooses how a job runs here: Docker for a named image, and without one the first step of
 * Docker, bubblewrap, unshare, plain that works and is allowed.
 */
export class DriverLadder {
  readonly #drivers: ReadonlyMap<DriverName, TaskDriver>;
  readonly #policy: DriverPolicy;
  readonly #known = new Map<DriverName, Known>();

  constructor(drivers: readonly TaskDriver[], policy: DriverPolicy) {
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
    this.#policy = policy;
  }

  driver(name: string): TaskDriver | null {
    return this.#drivers.get(name as DriverName) ?? null;
  }

  all(): readonly TaskDriver[] {
    return [...this.#drivers.values()];
  }

  /** Those that this node's configuration allows. */
  allowed(): readonly TaskDriver[] {
    return this.all().filter(({ name }) => this.#refusal(name) === null);
  }

  /** What this node can do, best step first; what is not allowed is told as unusable. */
  async statuses(): Promise<readonly DriverStatus[]> {
    const statuses = this.all().map(async ({ name }) => {
      const refusal = this.#refusal(name);
      if (refusal !== null) return { name, usable: false, detail: refusal, limits: [] };
      return (await this.#probe(name)).status;
    });
    return Promise.all(statuses);
  }

  async choose(spec: JobSpec): Promise<Result<TaskDriver, StartFailure>> {
    const steps = stepsFor(spec);
    if (spec.image !== "" && !steps.includes("docker")) {
      const detail = `an image needs Docker, and the job asks for the driver ${spec.driver}`;
      return err({ kind: "not-started", detail });
    }
    const failures: StartFailure[] = [];
    for (const name of steps) {
      const tried = await this.#try(name, spec);
      if (tried.ok) return tried;
      failures.push(tried.error);
    }
    const [only] = failures;
    if (only !== undefined && failures.length === 1) return err(only);
    const detail = failures.map((failure) => failure.detail).join("; ");
    return err({ kind: "not-started", detail: `nothing here can run this job: ${detail}` });
  }

  async #try(name: DriverName, spec: JobSpec): Promise<Result<TaskDriver, StartFailure>> {
    const kind = name === "docker" ? "no-docker" : "not-started";
    const refusal = this.#refusal(name);
    if (refusal !== null) return err({ kind, detail: refusal });
    const driver = this.#drivers.get(name);
    if (driver === undefined) return err({ kind, detail: `this node has no driver ${name}` });
    const { status, runsUnnamed } = await this.#probe(name);
    if (!status.usable) return err({ kind, detail: `${name}: ${status.detail}` });
    if (spec.image !== "" || runsUnnamed) return ok(driver);
    return err({ kind: "no-image", detail: missingImage(DEFAULT_IMAGE) });
  }

  /** Null: the operator allows it. */
  #refusal(name: DriverName): string | null {
    const { choice, plainAllowed } = this.#policy;
    if (!allowedBy(choice).includes(name)) {
      return `this node is configured to run jobs with the driver ${choice} only`;
    }
    if (name === "plain" && !plainAllowed) {
      return "jobs without a sandbox are not allowed by this node's configuration";
    }
    return null;
  }

  async #probe(name: DriverName): Promise<DriverProbe> {
    const known = this.#known.get(name);
    const now = performance.now();
    if (known !== undefined) {
      const last = await known.probe;
      if (now - known.at < PROBE_VALID_MILLIS || isLasting(last)) return last;
    }
    const driver = this.#drivers.get(name);
    const probe = driver?.probe() ?? Promise.resolve(absent(name));
    this.#known.set(name, { probe, at: now });
    return probe;
  }
}

/** The steps a job may stand on, best first. A job that names an image never falls back. */
function stepsFor(spec: JobSpec): readonly DriverName[] {
  return spec.image === "" ? allowedBy(spec.driver) : allowedBy(spec.driver).slice(0, 1);
}

/** The drivers that a choice stands for, best first. */
export function allowedBy(choice: DriverChoice): readonly DriverName[] {
  switch (choice) {
    case "auto":
      return ["docker", "bubblewrap", "unshare", "plain"];
    case "docker":
      return ["docker"];
    case "process":
      return ["bubblewrap", "unshare"];
    case "plain":
      return ["plain"];
    default:
      return unreachable(choice);
  }
}

const absent = (name: DriverName): DriverProbe => ({
  status: { name, usable: false, detail: `this node has no driver ${name}`, limits: [] },
  runsUnnamed: false,
});
