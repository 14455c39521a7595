import { BoundedQueue } from "../lib/bounded-queue.ts";
import type { Done } from "../platform/completion.ts";
import type { CommandBody } from "../state/command.ts";
import type { Applied, ProposeFailure } from "./replica.ts";

export type Proposal = {
  readonly principal: string;
  readonly body: CommandBody;
  readonly done: Done<Applied, ProposeFailure>;
};

/** Proposals that have not entered the log yet, and who waits for room among them. */
export class Proposals {
  readonly #queue: BoundedQueue<Proposal>;
  #roomCallbacks: (() => void)[] = [];
  /** The core refused for its own limits (bytes in flight, apply lag): full until it moves. */
  #coreIsFull = false;

  constructor(capacity: number) {
    this.#queue = new BoundedQueue(capacity);
  }

  get size(): number {
    return this.#queue.size;
  }

  /** False when full: the proposal was not taken. */
  add(proposal: Proposal): boolean {
    return this.#queue.push(proposal);
  }

  hasRoom(): boolean {
    return !this.#coreIsFull && this.#queue.size < this.#queue.capacity;
  }

  whenRoom(callback: () => void): void {
    this.#roomCallbacks.push(callback);
  }

  get someoneWaitsForRoom(): boolean {
    return this.#roomCallbacks.length > 0;
  }

  /** Everything that waits, in order; the queue is empty afterwards. */
  drain(): readonly Proposal[] {
    const drained: Proposal[] = [];
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      drained.push(next);
    }
    return drained;
  }

  markCoreFull(isFull: boolean): void {
    this.#coreIsFull = isFull;
  }

  /** Calls who waits for room, if there is some; each is called once. */
  announceRoom(): void {
    if (this.#roomCallbacks.length === 0 || !this.hasRoom()) return;
    const callbacks = this.#roomCallbacks;
    this.#roomCallbacks = [];
    for (const callback of callbacks) callback();
  }
}
