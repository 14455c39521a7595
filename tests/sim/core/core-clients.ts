import type { PeerId } from "../../../engine/lib/ids.ts";
import type { Operation } from "../checkers/linearizable.ts";
import type { SimCluster } from "../cluster.ts";
import type { SimRandom } from "../world/sim-random.ts";
import { encodeCommand, filler } from "./commands.ts";
import type { CoreDriver } from "./core-driver.ts";
import type { CoreProfile } from "./core-profile.ts";
import type { Answer } from "./core-waiters.ts";
import type { Op } from "./register.ts";

/** Keys of things that are submitted and cancelled once; below are registers. */
const FIRST_JOB_KEY = 100;
const JOB_KEYS_MAX = 100;
const CALL_LOSS = 0.03;
const PATIENCE_MILLIS = [300, 1_200] as const;
const TRIES_MAX = 6;

/**
 * Clients, each with one command open at a time, at any node; what is not answered they repeat,
 * sometimes at two nodes at once, and after a few times they go on without knowing.
 */
export class CoreClients {
  readonly #cluster: SimCluster<CoreDriver>;
  readonly #random: SimRandom;
  readonly #profile: CoreProfile;
  readonly #operations: Operation[] = [];
  #order = 0;
  #fillers = 0;
  #values = 0;
  #jobs = 0;
  #open = 0;
  #isSilent = false;

  constructor(cluster: SimCluster<CoreDriver>, random: SimRandom, profile: CoreProfile) {
    this.#cluster = cluster;
    this.#random = random;
    this.#profile = profile;
  }

  /** What they did and were told, so far. */
  get history(): readonly Operation[] {
    return this.#operations;
  }

  /** Commands and reads that are under way. */
  get open(): number {
    return this.#open;
  }

  start(): void {
    for (let client = 1; client <= this.#profile.clientCount; client++) this.#next(client, 1);
    this.#fillLater();
  }

  /** Nobody begins anything new. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  /** Writes and reads once, by a client of its own, whatever the others do. */
  probe(client: number): void {
    this.#call(client, 1, { kind: "put", value: ++this.#values });
    this.#read(client + 1, { key: 0, isPersistent: true, next: () => {} });
  }

  #next(client: number, seq: number): void {
    this.#cluster.time.after(this.#random.between(1, 2 * this.#profile.proposalMillisMax), () => {
      if (this.#isSilent) return;
      const then = (): void => this.#next(client, seq + 1);
      if (this.#random.chance(0.4)) {
        const key = this.#key();
        this.#read(client, { key, isPersistent: false, next: () => this.#next(client, seq) });
      } else this.#call(client, seq, this.#command(), then);
    });
  }

  #key(): number {
    if (this.#jobs > 0 && this.#random.chance(0.3)) return this.#jobKey();
    return this.#random.below(this.#profile.keyCount);
  }

  #jobKey(): number {
    return FIRST_JOB_KEY + (this.#jobs % JOB_KEYS_MAX);
  }

  #command(): Exclude<Op, { kind: "read" }> {
    const value = ++this.#values;
    switch (this.#random.below(5)) {
      case 0:
        this.#jobs += 1;
        return { kind: "submit", value };
      case 1:
        return { kind: "cancel" };
      case 2:
        return { kind: "cas", from: value - 1 - this.#random.below(3), to: value };
      default:
        return { kind: "put", value };
    }
  }

  #call(
    client: number,
    seq: number,
    op: Exclude<Op, { kind: "read" }>,
    then: () => void = () => {},
  ): void {
    const isJob = op.kind === "submit" || op.kind === "cancel";
    const key = isJob ? this.#jobKey() : this.#random.below(this.#profile.keyCount);
    const operation = this.#begin(client, key, op);
    const data = encodeCommand({ client, seq, key, op });
    const ask = (answer: (answer: Answer) => void): void => {
      this.#at((driver) => driver.propose(data, (said) => this.#travel(() => answer(said))));
    };
    const end = (): void => {
      this.#open -= 1;
      then();
    };
    this.#until({ ask, isPersistent: client > PROBE_CLIENT, giveUp: end }, (answer) => {
      if (answer.kind !== "done") return false;
      this.#answered(operation, answer.result);
      this.#cluster.observer.acked(answer.index, { kind: "entry" });
      end();
      return true;
    });
  }

  #read(
    client: number,
    read: { readonly key: number; readonly isPersistent: boolean; readonly next: () => void },
  ): void {
    const { observer } = this.#cluster;
    const operation = this.#begin(client, read.key, { kind: "read" });
    const acked = observer.ackedIndex;
    const ask = (answer: (value: number | null) => void): void => {
      this.#at((driver) => {
        driver.read((found) => {
          if (found !== null) observer.read(acked, found.index);
          const value = found?.state.value(read.key) ?? null;
          this.#travel(() => answer(value));
        });
      });
    };
    const end = (): void => {
      this.#open -= 1;
      read.next();
    };
    this.#until({ ask, isPersistent: read.isPersistent, giveUp: end }, (value) => {
      if (value === null) return false;
      this.#answered(operation, value);
      end();
      return true;
    });
  }

  /** Repeats until an answer settles it, or patience ends. */
  #until<A>(
    call: {
      readonly ask: (answer: (answer: A) => void) => void;
      readonly isPersistent: boolean;
      readonly giveUp: () => void;
    },
    settles: (answer: A) => boolean,
  ): void {
    const { time, observer } = this.#cluster;
    let isOver = false;
    let tries = 0;
    let cancel = (): void => {};
    const again = (millis: number): void => {
      cancel();
      cancel = time.after(millis, attempt);
    };
    const hear = (answer: A): void => {
      if (isOver) observer.coverage.lostAnswers += 1;
      else isOver = settles(answer);
      if (!isOver) again(this.#random.between(10, 150));
    };
    const attempt = (): void => {
      if (isOver) return;
      tries += 1;
      isOver = tries > TRIES_MAX && !call.isPersistent;
      if (isOver) {
        call.giveUp();
        return;
      }
      again(this.#random.between(...PATIENCE_MILLIS));
      for (let copies = this.#random.chance(0.1) ? 2 : 1; copies > 0; copies--) call.ask(hear);
    };
    attempt();
  }

  #begin(client: number, key: number, op: Op): Operation {
    const operation: Operation = {
      ...{ client, key, op, calledAt: this.#order++, answeredAt: null, result: 0 },
      closedAt: Number.POSITIVE_INFINITY,
    };
    this.#open += 1;
    this.#operations.push(operation);
    return operation;
  }

  #answered(operation: Operation, result: number): void {
    operation.answeredAt = this.#order++;
    operation.result = result;
    if (operation.op.kind === "read") return;
    for (const other of this.#operations) {
      if (other.client === operation.client && other.answeredAt === null) {
        other.closedAt = Math.min(other.closedAt, operation.answeredAt);
      }
    }
  }

  #at(ask: (driver: CoreDriver) => void): void {
    const peer = this.#peer();
    if (peer !== null) this.#travel(() => this.#cluster.within(peer, ask));
  }

  #peer(): PeerId | null {
    const { peers } = this.#cluster;
    const leader = this.#random.chance(0.6) ? this.#cluster.leader() : null;
    return leader ?? this.#random.pick(peers);
  }

  #travel(arrive: () => void): void {
    if (this.#random.chance(CALL_LOSS)) return;
    this.#cluster.time.after(this.#random.between(0.2, 5), arrive);
  }

  /** Entries that nobody waits for: bursts, and large ones. */
  #fillLater(): void {
    this.#cluster.time.after(this.#random.between(1, this.#profile.proposalMillisMax), () => {
      if (this.#isSilent) return;
      const peer = this.#peer();
      const burst = this.#random.chance(0.1) ? this.#random.below(40) : 1;
      for (let i = 0; i < burst && peer !== null; i++) {
        const data = filler(++this.#fillers, this.#random);
        this.#cluster.within(peer, (driver) => {
          driver.propose(data, (answer) => {
            if (answer.kind !== "done") return;
            this.#cluster.observer.acked(answer.index, { kind: "entry" });
          });
        });
      }
      this.#fillLater();
    });
  }
}

/** Clients above ask until they are answered. */
export const PROBE_CLIENT = 1_000;
