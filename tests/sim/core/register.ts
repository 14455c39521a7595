/** What can be done to one register. */
export type Op =
  | { readonly kind: "put"; readonly value: number }
  /** Only where nothing is. */
  | { readonly kind: "submit"; readonly value: number }
  /** Only where something is, for good. */
  | { readonly kind: "cancel" }
  | { readonly kind: "cas"; readonly from: number; readonly to: number }
  | { readonly kind: "read" };

export const ABSENT = 0;
const CANCELLED = -1;

type Outcome = { readonly value: number; readonly result: number };

/** Sequential semantics: the register after `op`, and the answer. */
export function outcomeOf(value: number, op: Op): Outcome {
  switch (op.kind) {
    case "read":
      return { value, result: value };
    case "put":
      return value === CANCELLED ? refused(value) : { value: op.value, result: 1 };
    case "submit":
      return value === ABSENT ? { value: op.value, result: 1 } : refused(value);
    case "cancel":
      return value === ABSENT ? refused(value) : { value: CANCELLED, result: 1 };
    case "cas":
      return value === op.from ? { value: op.to, result: 1 } : refused(value);
  }
}

const refused = (value: number): Outcome => ({ value, result: 0 });
