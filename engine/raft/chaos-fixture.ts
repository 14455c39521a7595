import type { PeerId, Term } from "../lib/ids.ts";
import {
  bootFrom,
  bytes,
  type Create,
  conf,
  peer,
  snapshotAt,
  TestNode,
  text,
} from "./cluster-fixture.ts";
import type { ConfOp, Entry, Message, Rng } from "./types.ts";

/** A seeded generator (mulberry32): the same seed gives the same run. */
export class SeededRng implements Rng {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}

const IDS = [1, 2, 3, 4, 5];
const IN_FLIGHT_MAX = 200;

/**
 * Membership, snapshots and damage under random order: messages are reordered, doubled and lost,
 * disks lag, processes die. Every entry applied anywhere is compared with everybody else's.
 */
export class Chaos {
  readonly rng: SeededRng;
  readonly nodes = new Map<PeerId, TestNode>();
  readonly #leaders = new Map<Term, PeerId>();
  readonly #committed = new Map<number, Entry>();
  #inFlight: Message[] = [];
  #isolated: PeerId | null = null;
  #proposals = 0;
  /** Who lost a part of its disk and has not recovered: at most one at a time. */
  damaged: PeerId | null = null;
  /** Costs a turn before and after every tick, so it is another run. */
  checksQuiet = false;
  readonly counts = { confChanges: 0, restores: 0, leaders: 0, damaged: 0, applied: 0, quiet: 0 };

  /** In even seeds disks lose what was on them. */
  readonly #damages: boolean;

  constructor(seed: number, create?: Create) {
    this.rng = new SeededRng(seed);
    this.#damages = seed % 2 === 0;
    const founders = conf(IDS.slice(0, 3));
    for (const id of IDS) {
      const boot = bootFrom(id <= 3 ? snapshotAt(1, founders) : null);
      const options = { electionTicks: 10, heartbeatTicks: 1, rng: this.rng };
      this.nodes.set(peer(id), new TestNode({ id: peer(id), ...options, ...LIMITS }, boot, create));
    }
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.#act();
  }

  /** No faults any more: everything in flight arrives, every disk keeps up. */
  calm(rounds: number): void {
    this.#isolated = null;
    for (let i = 0; i < rounds; i++) {
      for (const node of this.nodes.values()) {
        this.#tick(node);
        this.#turn(node);
        node.sync();
        this.#turn(node);
      }
      for (const message of this.#inFlight.splice(0)) this.#step(message);
    }
  }

  #act(): void {
    const node = this.rng.pick([...this.nodes.values()]);
    const dice = this.rng.below(1000);
    if (dice < 520) this.#deliverOne();
    else if (dice < 660) this.#turn(node);
    else if (dice < 790) node.sync(1);
    else if (dice < 900) this.#tick(node);
    else if (dice < 960) this.#propose();
    else this.#disturb(node, dice - 960);
  }

  /** What the core calls quiet must be: a driver does not even wake up for it. */
  #tick(node: TestNode): void {
    if (!this.checksQuiet) {
      node.raft.tick();
      return;
    }
    for (let applied = -1; applied < node.applied.length; ) {
      // What is due already is no effect of the tick.
      applied = node.applied.length;
      this.#turn(node);
    }
    const before = { quiet: node.raft.quietTicks(), term: node.raft.status().term };
    const sent = this.#inFlight.length;
    node.raft.tick();
    if (before.quiet === 0) return;
    this.counts.quiet += 1;
    this.#turn(node);
    const isQuiet = node.raft.status().term === before.term && this.#inFlight.length <= sent;
    if (!isQuiet || node.raft.quietTicks() < before.quiet - 1) {
      throw new Error(`${node.id}: a quiet tick did something`);
    }
  }

  #disturb(node: TestNode, dice: number): void {
    if (dice < 4) this.#crash(node);
    else if (dice < 8) this.#changeConf();
    else if (dice < 12) node.makeSnapshot(this.rng.below(3));
    else if (dice < 14) this.#transfer();
    else if (dice < 26) node.raft.input({ kind: "campaign" });
    else if (dice < 30) this.#isolated = this.#leader() ?? node.id;
    else if (dice < 38) this.#isolated = null;
    else node.raft.input({ kind: "unreachable", peer: peer(this.rng.pick(IDS)) });
  }

  #leader(): PeerId | null {
    const leaders = [...this.nodes.values()].filter(({ raft }) => raft.status().role === "leader");
    return leaders[0]?.id ?? null;
  }

  #deliverOne(): void {
    if (this.#inFlight.length === 0) return;
    const place = this.rng.chance(80) ? 0 : this.rng.below(this.#inFlight.length);
    const [message] = this.#inFlight.splice(place, 1);
    if (message === undefined) return;
    const isCut = message.from === this.#isolated || message.to === this.#isolated;
    if (isCut || this.rng.chance(3)) this.#lose(message);
    else this.#step(message);
    if (this.rng.chance(3)) this.#inFlight.push(message);
  }

  #step(message: Message): void {
    this.nodes.get(message.to)?.raft.step(message);
    this.#reportSnapshot(message, true);
  }

  #lose(message: Message): void {
    this.#reportSnapshot(message, false);
  }

  #loseWhere(isLost: (message: Message, place: number) => boolean): void {
    const lost = this.#inFlight.filter(isLost);
    this.#inFlight = this.#inFlight.filter((message) => !lost.includes(message));
    for (const message of lost) this.#lose(message);
  }

  /** The sender of a snapshot always hears how it went. */
  #reportSnapshot(message: Message, ok: boolean): void {
    if (message.kind !== "snapshot") return;
    const { from, to, session } = message;
    this.nodes.get(from)?.raft.input({ kind: "snapshot-sent", to, session, ok });
  }

  #turn(node: TestNode): void {
    const seen = node.seen.length;
    const applied = node.applied.length;
    this.#inFlight.push(...node.take());
    if (this.#inFlight.length > IN_FLIGHT_MAX) this.#loseWhere((_, place) => place < 50);
    for (const effects of node.seen.splice(seen)) {
      if (effects.restore !== null) this.counts.restores += 1;
      if (effects.conf !== null) this.counts.confChanges += 1;
      if (effects.role?.role === "leader") this.#noteLeader(effects.role.term, node.id);
    }
    for (const entry of node.applied.slice(applied)) this.#noteApplied(node, entry);
    if (this.damaged === node.id && !node.raft.status().damaged) this.damaged = null;
  }

  #noteLeader(term: Term, id: PeerId): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== id) throw new Error(`two leaders in term ${term}`);
    this.#leaders.set(term, id);
    this.counts.leaders += 1;
  }

  #noteApplied(node: TestNode, entry: Entry): void {
    const other = this.#committed.get(entry.index);
    if (other === undefined) this.#committed.set(entry.index, entry);
    else if (other.term !== entry.term || text(other.data) !== text(entry.data)) {
      throw new Error(`${node.id} applies something else at ${entry.index}`);
    }
    this.counts.applied += 1;
  }

  #propose(): void {
    for (const { raft } of this.nodes.values()) {
      if (raft.status().role === "leader") raft.propose([bytes(`p${++this.#proposals}`)]);
    }
  }

  /** A connection dies with its process: what was under way on it is gone. */
  #crash(node: TestNode): void {
    this.#loseWhere(({ from, to }) => from === node.id || to === node.id);
    const loses = this.#damages && this.damaged === null && this.rng.chance(25);
    if (loses) {
      node.disk.splice(node.disk.length - this.rng.below(4));
      this.damaged = node.id;
      this.counts.damaged += 1;
    }
    node.restart(this.damaged === node.id);
  }

  #changeConf(): void {
    const changes: ConfOp[] = Array.from({ length: 1 + this.rng.below(3) }, () => ({
      op: this.rng.pick(["voter", "voter", "learner", "remove"] as const),
      id: peer(this.rng.pick(IDS)),
    }));
    const transition = this.rng.pick(["auto", "implicit"] as const);
    const change = { changes, transition, context: new Uint8Array(0) };
    for (const { raft } of this.nodes.values()) raft.proposeConf(change);
  }

  #transfer(): void {
    const to = peer(this.rng.pick(IDS));
    for (const { raft } of this.nodes.values()) {
      if (raft.status().role === "leader") raft.input({ kind: "transfer", to });
    }
  }
}

const LIMITS = { maxMsgBytes: 200, maxInflightMsgs: 4, maxApplyEntries: 8 };
