import { NOBODY, type PeerId } from "../lib/ids.ts";
import type { TransportEvent } from "../platform/transport.ts";
import type { Raft, RoleChange } from "../raft/types.ts";
import { FastFailover } from "./fast-failover.ts";
import type { ReplicaOptions } from "./replica.ts";

type LinkEvent = Exclude<TransportEvent, { kind: "message" | "removed-by" }>;

/** Tells the core when an election need not wait for a timer (contract 17, `FastFailover`). */
export class Hurry {
  readonly #raft: Raft;
  readonly #self: PeerId;
  readonly #campaigns: boolean;
  readonly #failover: FastFailover;
  #mayHurryAtStart = true;

  /** `onDue` wakes the loop, which then calls `onTurn`. */
  constructor(options: ReplicaOptions, raft: Raft, onDue: () => void) {
    const { timers, random } = options.platform;
    this.#raft = raft;
    this.#self = options.peerId;
    this.#campaigns = options.campaigns !== false;
    this.#failover = new FastFailover({ timers, random, onDue });
  }

  /** Nobody waits for a timer when the leader's process is known to be gone. */
  onLink(event: LinkEvent, role: RoleChange): void {
    this.#failover.onLink(event);
    const { leader, term } = this.#raft.status();
    if (leader !== NOBODY && leader !== this.#self && this.#failover.isGone(leader)) {
      this.#raft.input({ kind: "forget-leader" });
      this.#failover.hurry(leader, term);
    }
    this.atStart(role);
  }

  /** A node that just started asks for pre-votes as soon as it reaches a quorum. */
  atStart(role: RoleChange): void {
    if (!this.#mayHurryAtStart || role.leader !== NOBODY) return;
    const { conf, term } = this.#raft.status();
    const { voters } = conf;
    if (!voters.includes(this.#self)) return;
    const isReached = (voter: PeerId) => voter === this.#self || this.#failover.isOpen(voter);
    if (voters.filter(isReached).length * 2 <= voters.length) return;
    this.#mayHurryAtStart = false;
    this.#failover.hurry(NOBODY, term);
  }

  onTurn(): void {
    const isDue = this.#failover.takeCampaign(() => this.#raft.status());
    if (isDue && this.#campaigns) this.#raft.input({ kind: "campaign" });
  }

  onRole(role: RoleChange): void {
    if (role.leader === NOBODY) return;
    this.#mayHurryAtStart = false;
    this.#failover.stop();
  }

  stop(): void {
    this.#failover.stop();
  }
}
