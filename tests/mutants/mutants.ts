import type { Mutant } from "./mutant.ts";
import { NODE_MUTANTS } from "./node-mutants.ts";
import { OWN_MUTANTS } from "./own-mutants.ts";
import { TABLE_MUTANTS } from "./table-mutants.ts";

/**
 * Deliberate bugs: each replaces pieces of the source. A mutant whose piece is gone fails loudly:
 * then the source has moved on, and the mutant must follow.
 */
export const MUTANTS: readonly Mutant[] = [...TABLE_MUTANTS, ...OWN_MUTANTS, ...NODE_MUTANTS];
