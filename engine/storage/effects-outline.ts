import { crc32c } from "../lib/crc32c.ts";
import type { Effects, Entry, Message } from "../raft/types.ts";

/** Entries that were handed out, told apart without keeping them once more. */
type EntriesOutline = {
  readonly from: number;
  readonly count: number;
  readonly bytes: number;
  /** CRC-32C over term, kind and data of each, in order. */
  readonly crc: number;
};

/** Effects with outlines in place of entries: equal outlines mean equal effects, bit for bit. */
export type EffectsOutline = Omit<Effects, "messages" | "persist" | "apply"> & {
  readonly messages: readonly (Message | { readonly entries: EntriesOutline })[];
  readonly persist: { readonly entries: EntriesOutline } | null;
  readonly apply: EntriesOutline;
};

export function outlineOf(effects: Effects): EffectsOutline {
  const { messages, persist, apply } = effects;
  return {
    ...effects,
    messages: messages.map((message) =>
      message.kind === "append"
        ? { ...message, entries: entriesOutline(message.entries) }
        : message,
    ),
    persist: persist === null ? null : { ...persist, entries: entriesOutline(persist.entries) },
    apply: entriesOutline(apply),
  };
}

function entriesOutline(entries: readonly Entry[]): EntriesOutline {
  let bytes = 0;
  let crc = 0;
  for (const { term, kind, data } of entries) {
    bytes += data.length;
    crc = crc32c(crc32c(crc, new TextEncoder().encode(`${term} ${kind} ${data.length} `)), data);
  }
  return { from: entries[0]?.index ?? 0, count: entries.length, bytes, crc };
}
