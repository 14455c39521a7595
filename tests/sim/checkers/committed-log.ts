import type { Index } from "../../../engine/lib/ids.ts";
import { confAfter } from "../../../engine/raft/conf-after.ts";
import type { ConfState, Entry } from "../../../engine/raft/types.ts";
import { type Checker, type Member, must } from "../checker.ts";

const NAME = "one committed log";

/** A configuration, and the index of the entry that made it. */
export type CommittedConf = { readonly index: Index; readonly conf: ConfState };

/**
 * What is committed, by index: the truth that other checkers compare with. Learnt from leaders,
 * and from whoever applies what a leader committed in the very turn in which it died.
 */
export class CommittedLog implements Checker {
  readonly name = NAME;
  readonly #chains = new Map<number, number>();
  readonly #confs: CommittedConf[];
  /** Every index up to here is known. */
  #last = 1;

  constructor(founding: ConfState) {
    this.#confs = [{ index: 1 as Index, conf: founding }];
  }

  /** Undefined while nobody is known to have committed that index. */
  chainAt(index: Index): number | undefined {
    return this.#chains.get(index);
  }

  get lastIndex(): number {
    return this.#last;
  }

  /** The newest committed configuration. */
  get conf(): ConfState {
    return this.confAt(this.#last).conf;
  }

  /** The configuration that is active once `index` is committed, and not a later one. */
  confAt(index: number): CommittedConf {
    const found = this.#confs.findLast((conf) => conf.index <= index) ?? this.#confs[0];
    must(found !== undefined, NAME, () => "the founding configuration is always known");
    return found;
  }

  /** The first change of the configuration after `index`. */
  changeAfter(index: number): CommittedConf | undefined {
    return this.#confs.find((conf) => conf.index > index);
  }

  readonly onApplied: NonNullable<Checker["onApplied"]> = (member, index, chain) => {
    if (this.#chains.has(index)) return;
    this.#chains.set(index, chain);
    this.#learnConfs(member);
  };

  readonly onStatus: NonNullable<Checker["onStatus"]> = (member, status, before) => {
    if (status.role !== "leader" || status.commit === before?.commit) return;
    const { nodeId, disk } = member;
    for (let index = status.commit as number; index > 1; index--) {
      const chain = disk.written.chainAt(index);
      const known = this.#chains.get(index);
      if (known !== undefined && known === chain) break;
      must(known === undefined && chain !== null, NAME, () => {
        return `${nodeId} commits another entry at index ${index} than was committed before`;
      });
      this.#chains.set(index, chain);
    }
    this.#learnConfs(member);
  };

  /** Goes on from the last known index, through what `member` has. */
  #learnConfs({ disk }: Member): void {
    for (; this.#chains.has(this.#last + 1); this.#last++) {
      const entry = disk.written.at(this.#last + 1)?.entry;
      if (entry?.kind === "conf") this.#learnConf(entry);
    }
  }

  #learnConf(entry: Entry): void {
    const { conf } = this.confAt(entry.index);
    const next = confAfter(conf, entry);
    must(next !== conf, NAME, () => `the change of membership at ${entry.index} cannot follow`);
    this.#confs.push({ index: entry.index, conf: next });
  }
}
