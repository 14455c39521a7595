import { NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { TransportEvent } from "../platform/transport.ts";
import type { Status } from "../raft/types.ts";

type LinkEvent = Exclude<TransportEvent, { kind: "message" | "removed-by" }>;
type Link = { isOpen: boolean; isRefused: boolean };
type Candidacy = Pick<Status, "term" | "votedFor" | "leader">;
type Series = {
  readonly gone: PeerId;
  /** A vote of this term was for who is gone, or of before the start. */
  readonly sinceTerm: Term;
  leftMillis: number;
  candidacyDues: number;
};

const FIRST_CAMPAIGN_MILLIS_MAX = 50;
const NEXT_CAMPAIGN_MILLIS_MIN = 50;
const SERIES_MILLIS_MAX = 1_000;
/** So many due times a candidacy may last, this node's or one that it voted for. */
const CANDIDACY_DUES = 2;

/**
 * Elections that need not wait for a timer (contract 17). When the leader's process is gone (no
 * stream, and a redial refused) it is forgotten at once and a pre-vote asked for within 50 ms,
 * repeated for at most a second while nobody is found. The same impatience serves a node that has
 * just started and reaches a quorum without hearing of a leader. Pre-votes are refused by whoever
 * still hears a leader, so none of this can disturb a healthy cluster.
 */
export class FastFailover {
  readonly #links = new Map<PeerId, Link>();
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #onDue: () => void;
  #series: Series | null = null;
  #cancelTimer: () => void = () => {};
  #isDue = false;

  /** `onDue` wakes the loop, which then asks `takeCampaign`. */
  constructor(options: {
    readonly timers: Timers;
    readonly random: Random;
    readonly onDue: () => void;
  }) {
    this.#timers = options.timers;
    this.#random = options.random;
    this.#onDue = options.onDue;
  }

  onLink(event: LinkEvent): void {
    const link = this.#links.get(event.peer) ?? { isOpen: false, isRefused: false };
    this.#links.set(event.peer, link);
    switch (event.kind) {
      case "peer-opened":
        link.isOpen = true;
        link.isRefused = false;
        break;
      case "peer-closed":
        link.isOpen = false;
        break;
      case "peer-refused":
        link.isRefused = true;
        break;
    }
  }

  /** True when `leader` is a process that is no longer there. */
  isGone(leader: PeerId): boolean {
    const link = this.#links.get(leader);
    return link !== undefined && !link.isOpen && link.isRefused;
  }

  isOpen(peer: PeerId): boolean {
    return this.#links.get(peer)?.isOpen ?? false;
  }

  get isHurrying(): boolean {
    return this.#series !== null;
  }

  /** Starts a series of pre-votes because of `gone`; NOBODY after a start without a leader. */
  hurry(gone: PeerId, term: Term): void {
    this.stop();
    this.#series = { gone, sinceTerm: term, leftMillis: SERIES_MILLIS_MAX, candidacyDues: 0 };
    this.#arm(this.#random.below(FIRST_CAMPAIGN_MILLIS_MAX + 1));
  }

  /**
   * True once per due time: ask for pre-votes now. A candidacy that is under way is left alone for
   * a while: to ask again would begin it anew, or depose who is just being elected. After that its
   * votes were split, and nobody wins this term.
   */
  takeCampaign(statusOf: () => Candidacy): boolean {
    if (!this.#isDue) return false;
    this.#isDue = false;
    const { term, votedFor, leader } = statusOf();
    const series = this.#series;
    const isPointless =
      series === null ||
      leader !== NOBODY ||
      series.leftMillis <= 0 ||
      (series.gone !== NOBODY && !this.isGone(series.gone));
    if (isPointless) {
      this.stop();
      return false;
    }
    this.#arm(NEXT_CAMPAIGN_MILLIS_MIN + this.#random.below(NEXT_CAMPAIGN_MILLIS_MIN + 1));
    if (votedFor === NOBODY || term === series.sinceTerm) return true;
    series.candidacyDues += 1;
    if (series.candidacyDues < CANDIDACY_DUES) return false;
    series.candidacyDues = 0;
    return true;
  }

  stop(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    this.#series = null;
    this.#isDue = false;
  }

  #arm(millis: number): void {
    if (this.#series !== null) this.#series.leftMillis -= millis;
    this.#cancelTimer = this.#timers.after(millis, () => {
      this.#isDue = true;
      this.#onDue();
    });
  }
}
