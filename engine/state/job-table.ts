import type { JobId } from "../lib/ids.ts";
import { ShardedMap } from "./sharded-map.ts";
import type { SubmitOrder } from "./submit-order.ts";

/** Jobs by id, iterated in the order of their submission. Mutable; owned by the state store. */
export class JobTable<J> implements ReadonlyMap<JobId, J> {
  readonly #jobs = new ShardedMap<JobId, J>();
  readonly #order: SubmitOrder;

  constructor(order: SubmitOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get(id: JobId): J | undefined {
    return this.#jobs.get(id);
  }

  has(id: JobId): boolean {
    return this.#jobs.has(id);
  }

  /** A new job must be in the order already. */
  set(id: JobId, job: J): void {
    this.#jobs.set(id, job);
  }

  forEach(visit: (job: J, id: JobId, table: ReadonlyMap<JobId, J>) => void): void {
    for (const [id, job] of this) visit(job, id, this);
  }

  *[Symbol.iterator](): MapIterator<[JobId, J]> {
    for (let ordinal = 0; ordinal < this.#order.size; ordinal++) {
      const id = this.#order.at(ordinal);
      const job = this.get(id);
      if (job !== undefined) yield [id, job];
    }
  }

  entries(): MapIterator<[JobId, J]> {
    return this[Symbol.iterator]();
  }

  *keys(): MapIterator<JobId> {
    for (const [id] of this) yield id;
  }

  *values(): MapIterator<J> {
    for (const [, job] of this) yield job;
  }
}
