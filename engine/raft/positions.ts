import type { Index } from "../lib/ids.ts";

export const ZERO = 0 as Index;

export const preceding = (index: Index): Index => (index - 1) as Index;

export const lesser = (a: Index, b: Index): Index => (a < b ? a : b);

export const greater = (a: Index, b: Index): Index => (a > b ? a : b);
