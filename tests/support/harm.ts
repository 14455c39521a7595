import type { Draw } from "./seeded.ts";

/** What a disk, a memory or a hand does to a file. Null bytes = the file is gone. */
export type Harm = { readonly what: string; readonly bytes: Uint8Array | null };

const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

/** One bit of one byte. */
export function flipped(bytes: Uint8Array, draw: Draw): Harm {
  const at = draw(bytes.length);
  const bit = draw(8);
  const harmed = bytes.slice();
  harmed[at] = (harmed[at] ?? 0) ^ (1 << bit);
  return { what: `bit ${bit} of byte ${at} flipped`, bytes: harmed };
}

export function cutOff(bytes: Uint8Array, draw: Draw): Harm {
  const length = draw(bytes.length);
  return { what: `cut off at byte ${length}`, bytes: bytes.slice(0, length) };
}

export const zeroedSector = (bytes: Uint8Array, draw: Draw): Harm =>
  zeroed(bytes, draw, SECTOR_BYTES);

export const zeroedPage = (bytes: Uint8Array, draw: Draw): Harm => zeroed(bytes, draw, PAGE_BYTES);

export const gone: Harm = { what: "deleted", bytes: null };

function zeroed(bytes: Uint8Array, draw: Draw, length: number): Harm {
  const from = draw(Math.ceil(bytes.length / length)) * length;
  const harmed = bytes.slice();
  harmed.fill(0, from, Math.min(from + length, bytes.length));
  return { what: `${length} bytes zeroed at ${from}`, bytes: harmed };
}
