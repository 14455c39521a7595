import { assert } from "../../../engine/lib/assert.ts";
import type { Index, PeerId } from "../../../engine/lib/ids.ts";
import { allMembers } from "../../../engine/raft/conf.ts";
import { confAfter } from "../../../engine/raft/conf-after.ts";
import { decodeConfChange } from "../../../engine/raft/conf-codec.ts";
import type { ConfState, Entry } from "../../../engine/raft/types.ts";
import { mixInto } from "../world/sim-random.ts";
import { type Command, decodeCommand, decodeStores } from "./commands.ts";
import { ABSENT, outcomeOf } from "./register.ts";

/** Of a removed member: no store is its own any more. */
const NO_STORE = 0;

type Session = { readonly seq: number; readonly result: number };

/**
 * The state machine of the core layer: registers by key, the last answer to each client, who is a
 * member, and which store a member's id stands for (contract 15). A snapshot is a copy of it.
 */
export class Registers {
  #index: Index;
  #conf: ConfState;
  readonly #values: Map<number, number>;
  readonly #sessions: Map<number, Session>;
  readonly #stores: Map<PeerId, number>;

  private constructor(from: {
    readonly index: Index;
    readonly conf: ConfState;
    readonly values: ReadonlyMap<number, number>;
    readonly sessions: ReadonlyMap<number, Session>;
    readonly stores: ReadonlyMap<PeerId, number>;
  }) {
    this.#index = from.index;
    this.#conf = from.conf;
    this.#values = new Map(from.values);
    this.#sessions = new Map(from.sessions);
    this.#stores = new Map(from.stores);
  }

  static at(index: Index, conf: ConfState): Registers {
    const stores = new Map(allMembers(conf).map((peer) => [peer, 1]));
    return new Registers({ index, conf, values: new Map(), sessions: new Map(), stores });
  }

  copy(): Registers {
    return new Registers({
      index: this.#index,
      conf: this.#conf,
      values: this.#values,
      sessions: this.#sessions,
      stores: this.#stores,
    });
  }

  get index(): Index {
    return this.#index;
  }

  get conf(): ConfState {
    return this.#conf;
  }

  value(key: number): number {
    return this.#values.get(key) ?? ABSENT;
  }

  /** A known id must show its store; who is not known yet is let in. */
  accepts(peer: PeerId, store: number, refusesRemoved: boolean): boolean {
    const known = this.#stores.get(peer);
    if (known === undefined) return true;
    return known === NO_STORE ? !refusesRemoved : known === store;
  }

  /** The answer to the command in `entry`; null when it has none. */
  apply(entry: Entry): { readonly result: number; readonly isDuplicate: boolean } | null {
    assert(entry.index === this.#index + 1, "entries are applied in order");
    this.#index = entry.index;
    if (entry.kind === "conf") this.#changeMembers(entry);
    const command = entry.kind === "normal" ? decodeCommand(entry.data) : null;
    return command === null ? null : this.#execute(command);
  }

  hash(): number {
    let hash = mixInto(this.#index, allMembers(this.#conf).length);
    for (const key of [...this.#values.keys()].sort((a, b) => a - b)) {
      hash = mixInto(mixInto(hash, key), this.value(key));
    }
    for (const client of [...this.#sessions.keys()].sort((a, b) => a - b)) {
      const session = this.#sessions.get(client);
      hash = mixInto(mixInto(hash, client), (session?.seq ?? 0) * 31 + (session?.result ?? 0));
    }
    return hash;
  }

  /** A command that was executed before is answered as it was then. */
  #execute({ client, seq, key, op }: Command) {
    const last = this.#sessions.get(client);
    if (last !== undefined && seq <= last.seq) return { result: last.result, isDuplicate: true };
    const { value, result } = outcomeOf(this.value(key), op);
    this.#values.set(key, value);
    this.#sessions.set(client, { seq, result });
    return { result, isDuplicate: false };
  }

  #changeMembers(entry: Entry): void {
    const before = allMembers(this.#conf);
    this.#conf = confAfter(this.#conf, entry);
    const after = allMembers(this.#conf);
    const context = decodeConfChange(entry.data)?.context ?? new Uint8Array(0);
    for (const [peer, store] of decodeStores(context)) {
      if (after.includes(peer)) this.#stores.set(peer, store);
    }
    for (const peer of before) if (!after.includes(peer)) this.#stores.set(peer, NO_STORE);
  }
}
