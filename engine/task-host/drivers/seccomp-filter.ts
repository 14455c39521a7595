import { unreachable } from "../../lib/assert.ts";
import { ARGUMENT_RULES, type ArgumentRule, CLONE3, ENOSYS, EPERM } from "./seccomp-rules.ts";
import { ALLOWED_CALLS } from "./system-calls.ts";

export type FilterMachine = "x64" | "arm64";

/** One `struct sock_filter` of classic BPF: what to do, where to go on, with which constant. */
type Instruction = {
  readonly code: number;
  /** Instructions to skip when the comparison holds. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly constant: number;
};

/**
 * The sandbox's seccomp filter as the bytes that `bwrap --seccomp` reads. The architecture comes
 * first: numbers mean other calls on another one, so a foreign call kills the task.
 */
export function seccompFilter(machine: FilterMachine): Uint8Array<ArrayBuffer> {
  const program = [
    load(ARCH_OFFSET),
    ifEqual(AUDIT_ARCH[machine], 1, 0),
    answer(KILL_PROCESS),
    load(NUMBER_OFFSET),
    ...(machine === "x64" ? refuseX32() : []),
    ifEqual(CLONE3[machine], 0, 1),
    answer(refuse(ENOSYS)),
    ...ARGUMENT_RULES.flatMap((rule) => argumentRule(rule, machine)),
    ...allowedRanges(machine).flatMap(allowRange),
    // A C library asks for calls newer than this list and falls back when it hears ENOSYS.
    ifGreater(newestNumber(machine), 0, 1),
    answer(refuse(ENOSYS)),
    answer(refuse(EPERM)),
  ];
  return encode(program);
}

/** On x86-64 every call has a second number for the x32 way of calling it. */
const X32_BIT = 0x40000000;

const refuseX32 = (): readonly Instruction[] => [ifAtLeast(X32_BIT, 0, 1), answer(refuse(ENOSYS))];

function argumentRule(rule: ArgumentRule, machine: FilterMachine): readonly Instruction[] {
  const body = [load(ARGUMENTS_OFFSET + 8 * rule.argument), ...argumentTest(rule)];
  // The tests answer in every case, so the call's number is still loaded for the next rule.
  return [ifEqual(rule[machine], 0, body.length), ...body];
}

function argumentTest({ test, errno }: ArgumentRule): readonly Instruction[] {
  switch (test.kind) {
    case "one-of":
      return [...valueTests(test.values, ALLOW), answer(refuse(errno))];
    case "none-of":
      return [...valueTests(test.values, refuse(errno)), answer(ALLOW)];
    case "no-bits":
      return [ifAnyBit(test.mask, 0, 1), answer(refuse(errno)), answer(ALLOW)];
    default:
      return unreachable(test);
  }
}

const valueTests = (values: readonly number[], action: number): readonly Instruction[] =>
  values.flatMap((value) => [ifEqual(value, 0, 1), answer(action)]);

type Range = { readonly first: number; readonly last: number };

/** Neighbouring numbers share a comparison: the filter runs on every call of the task. */
function allowedRanges(machine: FilterMachine): readonly Range[] {
  const numbers = allowedNumbers(machine);
  const ranges: Range[] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.last === number - 1) ranges[ranges.length - 1] = { ...last, last: number };
    else ranges.push({ first: number, last: number });
  }
  return ranges;
}

function allowedNumbers(machine: FilterMachine): readonly number[] {
  const conditional = new Set(ARGUMENT_RULES.map((rule) => rule[machine]));
  const numbers = ALLOWED_CALLS.map((call) => call[machine]).filter((number) => number !== null);
  return [...new Set(numbers)].filter((number) => !conditional.has(number)).sort((a, b) => a - b);
}

const newestNumber = (machine: FilterMachine): number => Math.max(...allowedNumbers(machine));

const allowRange = ({ first, last }: Range): readonly Instruction[] =>
  first === last
    ? [ifEqual(first, 0, 1), answer(ALLOW)]
    : [ifAtLeast(first, 0, 2), ifGreater(last, 1, 0), answer(ALLOW)];

/** Offsets in the kernel's `struct seccomp_data` (little-endian: the low word comes first). */
const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;

const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const refuse = (errno: number): number => 0x00050000 | errno;

const load = (offset: number): Instruction => instruction(0x20, offset);
const answer = (action: number): Instruction => instruction(0x06, action);
const ifEqual = (constant: number, ifTrue: number, ifFalse: number): Instruction => ({
  ...instruction(0x15, constant),
  ifTrue,
  ifFalse,
});
const ifGreater = (constant: number, ifTrue: number, ifFalse: number): Instruction => ({
  ...instruction(0x25, constant),
  ifTrue,
  ifFalse,
});
const ifAtLeast = (constant: number, ifTrue: number, ifFalse: number): Instruction => ({
  ...instruction(0x35, constant),
  ifTrue,
  ifFalse,
});
const ifAnyBit = (constant: number, ifTrue: number, ifFalse: number): Instruction => ({
  ...instruction(0x45, constant),
  ifTrue,
  ifFalse,
});

const instruction = (code: number, constant: number): Instruction => ({
  code,
  constant,
  ifTrue: 0,
  ifFalse: 0,
});

function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, ifTrue, ifFalse, constant }, position) => {
    view.setUint16(position * 8, code, true);
    view.setUint8(position * 8 + 2, ifTrue);
    view.setUint8(position * 8 + 3, ifFalse);
    view.setUint32(position * 8 + 4, constant >>> 0, true);
  });
  return bytes;
}
