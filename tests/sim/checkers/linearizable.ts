import { must } from "../checker.ts";
import { ABSENT, type Op, outcomeOf } from "../core/register.ts";

const NAME = "linearizable";

/** What a client did to one register. Times are places in one order of all calls and answers. */
export type Operation = {
  readonly client: number;
  readonly key: number;
  readonly op: Op;
  readonly calledAt: number;
  /** Null: never answered, so it may have taken effect at any time until `closedAt`, or never. */
  answeredAt: number | null;
  result: number;
  /** From here on its session refuses it: a later command of the client was answered. */
  closedAt: number;
};

/** One way in which what has happened so far can have happened. */
type World = { readonly value: number; readonly done: number };

const OPEN_MAX = 30;
/** More ways than this are not looked into: the history counts as undecided. */
const WORLDS_MAX = 20_000;

/**
 * Every answer is one that a single register would have given, at some moment between call and
 * answer (Herlihy and Wing; the search is Wing–Gong's with Lowe's just-in-time steps, per key).
 * (Property 14.) Returns how many keys were too involved to decide.
 */
export function mustBeLinearizable(operations: readonly Operation[]): number {
  const known = operations.filter(
    ({ op, answeredAt }) => op.kind !== "read" || answeredAt !== null,
  );
  const byKey = Map.groupBy(known, ({ key }) => key);
  let undecided = 0;
  for (const [key, all] of byKey) if (!isDecided(key, all)) undecided += 1;
  return undecided;
}

type Step = { readonly at: number; readonly kind: "call" | "end"; readonly operation: Operation };

function isDecided(key: number, operations: readonly Operation[]): boolean {
  const open: (Operation | null)[] = [];
  let worlds: readonly World[] = [{ value: ABSENT, done: 0 }];
  for (const { kind, operation } of stepsOf(operations)) {
    if (kind === "call") {
      const free = open.indexOf(null);
      open[free === -1 ? open.length : free] = operation;
      continue;
    }
    const all = open.length > OPEN_MAX ? null : reachable(worlds, open);
    if (all === null) return false;
    const place = open.indexOf(operation);
    worlds = afterEnd(all, place, operation.answeredAt !== null);
    must(worlds.length > 0, NAME, () => `key ${key}: no order explains ${describe(operation)}`);
    open[place] = null;
  }
  return true;
}

/** An answered operation has taken effect; one that is closed without an answer may have. */
function afterEnd(worlds: readonly World[], place: number, isAnswered: boolean): readonly World[] {
  const bit = 1 << place;
  const left = isAnswered ? worlds.filter(({ done }) => (done & bit) !== 0) : worlds;
  return distinct(left.map(({ value, done }) => ({ value, done: done & ~bit })));
}

/** A call, and the end of the time in which it can have taken effect. */
function stepsOf(operations: readonly Operation[]): readonly Step[] {
  const steps = operations.flatMap((operation): Step[] => [
    { at: operation.calledAt, kind: "call", operation },
    { at: operation.answeredAt ?? operation.closedAt, kind: "end", operation },
  ]);
  return steps.sort((left, right) => left.at - right.at);
}

/** Every world that open operations, in any order, can make of these; null = too many. */
function reachable(
  worlds: readonly World[],
  open: readonly (Operation | null)[],
): readonly World[] | null {
  const found = new Map(worlds.map((world) => [nameOf(world), world]));
  for (const world of found.values()) {
    open.forEach((operation, place) => {
      if (operation === null || (world.done & (1 << place)) !== 0) return;
      const { value, result } = outcomeOf(world.value, operation.op);
      if (operation.answeredAt !== null && result !== operation.result) return;
      const next = { value, done: world.done | (1 << place) };
      if (!found.has(nameOf(next))) found.set(nameOf(next), next);
    });
    if (found.size > WORLDS_MAX) return null;
  }
  return [...found.values()];
}

const nameOf = ({ value, done }: World): number => value * 2 ** 31 + done;

const distinct = (worlds: readonly World[]): readonly World[] => [
  ...new Map(worlds.map((world) => [nameOf(world), world])).values(),
];

const describe = ({ client, op, result }: Operation): string =>
  `client ${client}: ${JSON.stringify(op)} answered ${result}`;
