import type { Random } from "./platform/random.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Letters and digits that nobody mixes up, five random bits each. */
export const randomText = (random: Random, length: number): string =>
  Array.from({ length }, () => ALPHABET[random.below(ALPHABET.length)] ?? "").join("");
