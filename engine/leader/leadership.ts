import type { NodeId, Term } from "../lib/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { Replica } from "../replica/replica.ts";
import type { CommandBody } from "../state/command.ts";
import type { LeaderSettings } from "./settings.ts";

export type LeaderDutiesOptions = {
  readonly nodeId: NodeId;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: LeaderSettings;
  /** This node has too little room on its disk: it leads only while nobody else can. */
  readonly isDiskLow: () => boolean;
};

/**
 * One term of leading with its own no-op applied. What a duty starts belongs to it: a timer or an
 * answer that arrives after its end does nothing.
 */
export class Leadership {
  readonly term: Term;
  readonly options: LeaderDutiesOptions;
  readonly #cancellations = new Set<() => void>();
  #isOver = false;

  constructor(term: Term, options: LeaderDutiesOptions) {
    this.term = term;
    this.options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
    for (const cancel of this.#cancellations) cancel();
    this.#cancellations.clear();
  }

  after(millis: number, callback: () => void): () => void {
    const cancelTimer = this.options.timers.after(millis, () => {
      this.#cancellations.delete(cancel);
      if (!this.#isOver) callback();
    });
    const cancel = (): void => {
      this.#cancellations.delete(cancel);
      cancelTimer();
    };
    this.#cancellations.add(cancel);
    return cancel;
  }

  soon(callback: () => void): void {
    this.options.timers.soon(() => {
      if (!this.#isOver) callback();
    });
  }

  propose(body: CommandBody, done: Parameters<Replica["propose"]>[1]): void {
    const principal = `node/${this.options.nodeId}`;
    this.options.replica.propose({ principal, body }, done);
  }
}
