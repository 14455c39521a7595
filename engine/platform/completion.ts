import type { Result } from "../lib/result.ts";

/**
 * How a port reports that work finished: into the owner's inbox, never re-entrant (not before the
 * call that started it has returned). A promise would hide the order from the simulator.
 */
export type Done<T, E> = (result: Result<T, E>) => void;
