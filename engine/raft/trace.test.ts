import { describe, expect, test } from "bun:test";
import { NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import { Chaos } from "./chaos-fixture.ts";
import { createRaft } from "./raft.ts";
import type { Message, TraceEvent, TraceName } from "./types.ts";

const SEEDS = 6;
const STEPS = 8_000;

/** Everything that five nodes say about themselves, in the order in which it happened. */
function traceOf(seed: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const chaos = new Chaos(seed, (config, boot) =>
    createRaft({ ...config, trace: (event) => events.push(event) }, boot),
  );
  chaos.run(STEPS);
  return events;
}

/**
 * A specification of Raft that knows nothing but the trace: what a TLA+ model would be asked about
 * each event. Gives the sentences that were broken.
 */
class Specification {
  readonly broken: string[] = [];
  readonly #before = new Map<PeerId, TraceEvent>();
  readonly #sent = new Set<string>();
  readonly #leaders = new Map<Term, PeerId>();
  readonly #restored = new Map<PeerId, number>();

  accept(event: TraceEvent): void {
    const before = this.#before.get(event.id);
    this.#before.set(event.id, event);
    this.#checkState(event);
    if (event.name === "restore") this.#restored.set(event.id, event.commit);
    if (event.name === "init") this.#restored.delete(event.id);
    if (event.name === "send") this.#onSend(event);
    if (event.name === "receive") this.#onReceive(event);
    if (event.name === "become-leader") this.#onLeader(event);
    if (before === undefined || event.name === "init") return;
    this.#checkStep(before, event);
  }

  #checkState({ commit, lastIndex, durable }: TraceEvent): void {
    this.#claim(commit <= lastIndex, "commit stays within the log");
    this.#claim(durable <= lastIndex, "durable stays within the log");
  }

  #checkStep(before: TraceEvent, event: TraceEvent): void {
    this.#claim(event.term >= before.term, "the term never falls");
    this.#claim(event.commit >= before.commit, "the commit index never falls");
    const isSameTerm = event.term === before.term;
    const isKept = before.votedFor === NOBODY || event.votedFor === before.votedFor;
    this.#claim(!isSameTerm || isKept, "a vote is not changed within its term");
    const grows = event.lastIndex > before.lastIndex;
    const mayGrow = event.name === "append" || event.name === "restore";
    this.#claim(!grows || mayGrow, "the log grows by append and restore only");
    const advances = event.commit > before.commit;
    const mayAdvance = event.name === "commit" || event.name === "restore";
    this.#claim(!advances || mayAdvance, "the commit index moves by commit and restore only");
    const leads = event.role === "leader" && before.role !== "leader";
    this.#claim(!leads || event.name === "become-leader", "nobody leads without becoming leader");
  }

  #onSend({ id, message, votedFor, term, durable }: TraceEvent): void {
    if (message === null) return;
    this.#sent.add(keyOf(message));
    const isVote = message.kind === "vote-reply" && !message.pre && message.granted;
    const keepsIt = message.term !== term || votedFor === message.to;
    this.#claim(!isVote || keepsIt, "who grants a vote has given it");
    const isAck = message.kind === "append-reply" && !message.reject;
    // Below a snapshot that is being installed, earlier jobs have made it so.
    const safe = Math.max(durable, this.#restored.get(id) ?? 0);
    this.#claim(!isAck || message.index <= safe, "what is acknowledged is durable");
  }

  #onReceive({ message }: TraceEvent): void {
    if (message === null || message.kind === "snapshot") return;
    this.#claim(this.#sent.has(keyOf(message)), `a ${message.kind} was sent before it arrives`);
  }

  #onLeader({ id, term }: TraceEvent): void {
    this.#claim((this.#leaders.get(term) ?? id) === id, "a term has one leader");
    this.#leaders.set(term, id);
  }

  #claim(holds: boolean, sentence: string): void {
    if (!holds) this.broken.push(sentence);
  }
}

const keyOf = (message: Message): string => JSON.stringify(message);

function brokenBy(events: readonly TraceEvent[]): readonly string[] {
  const specification = new Specification();
  for (const event of events) specification.accept(event);
  return [...new Set(specification.broken)];
}

const without = (events: readonly TraceEvent[], name: TraceName): readonly TraceEvent[] =>
  events.filter((event) => event.name !== name);

describe("the trace of a run", () => {
  test("satisfies a specification that sees nothing else", () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      expect(brokenBy(traceOf(seed)), `seed ${seed}`).toEqual([]);
    }
  });

  test("names every transition", () => {
    const names = new Set<TraceName>();
    for (let seed = 0; seed < SEEDS; seed++) {
      for (const { name } of traceOf(seed)) names.add(name);
    }

    expect([...names].sort()).toEqual([
      ...(["append", "become-candidate", "become-follower", "become-leader"] as const),
      ...(["become-precandidate", "commit", "compact", "conf", "grant-vote", "init"] as const),
      ...(["persisted", "quorum-lost", "receive", "refuse-vote"] as const),
      ...(["restore", "send", "truncate"] as const),
    ]);
  });

  test.each([
    ["append", "the log grows by append and restore only"],
    ["commit", "the commit index moves by commit and restore only"],
    ["become-leader", "nobody leads without becoming leader"],
    ["send", "a append was sent before it arrives"],
  ] as const)("is told apart from one where %s is missing", (name, sentence) => {
    expect(brokenBy(without(traceOf(1), name))).toContain(sentence);
  });
});
