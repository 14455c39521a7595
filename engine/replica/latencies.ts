import type { PeerId } from "../lib/ids.ts";
import { type LatencySummary, LatencyWindow } from "../lib/latency-window.ts";
import type { Message } from "../raft/types.ts";

export type LatencyView = {
  /** From handing a job that must be synced to the log store until it is durable. */
  readonly logWrite: LatencySummary;
  /** From a proposal's entry into the log until it is applied, on the leader. */
  readonly commit: LatencySummary;
  /** Applying what one turn applies without looking at the inbox. */
  readonly apply: LatencySummary;
  /** How much later than asked for a tick comes: what the loop's thread was busy or stopped. */
  readonly loopLag: LatencySummary;
  /** From a heartbeat to its reply, on the leader. */
  readonly heartbeats: ReadonlyMap<PeerId, LatencySummary>;
};

type RoundTrips = {
  readonly window: LatencyWindow;
  /** Heartbeats without a reply. */
  unanswered: number;
  /** When the heartbeat was sent whose reply comes next; null = nothing is being measured. */
  measuredFrom: number | null;
  sentAt: number;
  answeredAt: number;
};

/** A heartbeat so long after the last one begins anew: a reply that was lost is not waited for. */
const PAUSE_MILLIS = 50;

/** What a node measures of itself, in constant memory. Times come in as arguments. */
export class Latencies {
  readonly logWrite = new LatencyWindow();
  readonly commit = new LatencyWindow();
  readonly apply = new LatencyWindow();
  readonly loopLag = new LatencyWindow();
  readonly #peers = new Map<PeerId, RoundTrips>();

  onSent(message: Message, nowMillis: number): void {
    if (message.kind !== "heartbeat") return;
    const trips = this.#tripsOf(message.to, nowMillis);
    const isQuiet = trips.answeredAt >= trips.sentAt && nowMillis - trips.sentAt >= PAUSE_MILLIS;
    if (isQuiet) trips.unanswered = 0;
    // Replies come in order, and name no heartbeat: only one that is alone can be measured.
    if (trips.unanswered === 0) trips.measuredFrom = nowMillis;
    trips.unanswered += 1;
    trips.sentAt = nowMillis;
  }

  onReceived(message: Message, nowMillis: number): void {
    if (message.kind !== "heartbeat-reply") return;
    const trips = this.#peers.get(message.from);
    if (trips === undefined || trips.unanswered === 0) return;
    trips.unanswered -= 1;
    trips.answeredAt = nowMillis;
    if (trips.measuredFrom === null) return;
    trips.window.record(nowMillis - trips.measuredFrom, nowMillis);
    trips.measuredFrom = null;
  }

  /** What was under way is lost. */
  onClosed(peer: PeerId): void {
    const trips = this.#peers.get(peer);
    if (trips === undefined) return;
    trips.unanswered = 0;
    trips.measuredFrom = null;
  }

  view(nowMillis: number): LatencyView {
    return {
      logWrite: this.logWrite.summary(nowMillis),
      commit: this.commit.summary(nowMillis),
      apply: this.apply.summary(nowMillis),
      loopLag: this.loopLag.summary(nowMillis),
      heartbeats: new Map(
        [...this.#peers].map(([peer, { window }]) => [peer, window.summary(nowMillis)]),
      ),
    };
  }

  #tripsOf(peer: PeerId, nowMillis: number): RoundTrips {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const trips: RoundTrips = {
      window: new LatencyWindow(),
      unanswered: 0,
      measuredFrom: null,
      sentAt: nowMillis,
      answeredAt: nowMillis,
    };
    this.#peers.set(peer, trips);
    return trips;
  }
}
