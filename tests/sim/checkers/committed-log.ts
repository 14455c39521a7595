import type { Index } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "one committed log";

/**
 * What is committed, by index: the truth that other checkers compare with. Learnt from leaders,
 * and from whoever applies what a leader committed in the very turn in which it died.
 */
export class CommittedLog implements Checker {
  readonly name = NAME;
  readonly #chains = new Map<number, number>();

  /** Undefined while no leader has committed that index. */
  chainAt(index: Index): number | undefined {
    return this.#chains.get(index);
  }

  readonly onApplied: NonNullable<Checker["onApplied"]> = (_, index, chain) => {
    if (!this.#chains.has(index)) this.#chains.set(index, chain);
  };

  readonly onStatus: NonNullable<Checker["onStatus"]> = ({ nodeId, disk }, status, before) => {
    if (status.role !== "leader" || status.commit === before?.commit) return;
    for (let index = status.commit as number; index > 1; index--) {
      const chain = disk.written.chainAt(index);
      const known = this.#chains.get(index);
      if (known !== undefined && known === chain) return;
      must(known === undefined && chain !== null, NAME, () => {
        return `${nodeId} commits another entry at index ${index} than was committed before`;
      });
      this.#chains.set(index, chain);
    }
  };
}
