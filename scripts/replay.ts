import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { VERSION } from "../cmd/version.ts";
import { type ReplayEnd, replay } from "../engine/offline/replay.ts";
import type { TraceEvent } from "../engine/raft/types.ts";
import { type Kept, readRecording } from "../engine/storage/recording-codec.ts";

/**
 * `bun run replay FILE [--trace] [--events] [--until N]`: does again what a recorded node did, and
 * says where this code does something else.
 */

const AROUND = 8;
const BYTES_SHOWN = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trace: { type: "boolean", default: false },
    events: { type: "boolean", default: false },
    until: { type: "string" },
  },
});
process.exitCode = main(positionals[0], values.until === undefined ? null : Number(values.until));

function main(path: string | undefined, until: number | null): number {
  if (path === undefined || Number.isNaN(until)) {
    console.error("usage: bun run replay FILE [--trace] [--events] [--until N]");
    return 2;
  }
  const recording = readRecording(readFileSync(path));
  if (!recording.ok) {
    console.error(`${path}: ${recording.error}`);
    return 1;
  }
  const { version, events, tornBytes } = recording.value;
  console.log(`${path}: ${events.length} events, recorded by nl ${version}`);
  if (tornBytes > 0) console.log(`its last event is not whole: ${tornBytes} bytes are left out`);
  const outcome = replay(events, {
    ...(until === null ? {} : { until }),
    ...(values.events ? { onEvent: (at, event) => console.log(`${at} ${describe(event)}`) } : {}),
    ...(values.trace ? { trace: (event) => console.log(traceLine(event)) } : {}),
  });
  return conclude(events, outcome, version);
}

function conclude(events: readonly Kept[], { count, end }: ReplayEnd, version: string): number {
  switch (end.kind) {
    case "equal":
      console.log(`equal: ${count} events gave what is recorded, bit for bit`);
      return 0;
    case "broke-again":
      console.log(`equal: after ${count} events it broke again: ${end.invariant}`);
      return 0;
    case "different":
      console.log(`different at event ${count}`);
      for (let at = Math.max(0, count - AROUND); at <= count + AROUND; at++) {
        const event = events[at];
        const mark = at === count ? ">" : " ";
        if (event !== undefined) console.log(`${mark} ${at} ${describe(event)}`);
      }
      console.log(`recorded: ${plain(end.recorded)}\nreplayed: ${plain(end.replayed)}`);
      if (version !== VERSION) console.log(`this is nl ${VERSION}: replay with nl ${version}`);
      return 1;
  }
}

function describe(event: Kept): string {
  switch (event.kind) {
    case "input":
      return event.input.kind === "message"
        ? `message ${plain(event.input.message)}`
        : `input ${plain(event.input)}`;
    case "take":
      return event.effects === null ? "take: nothing" : `take ${plain(withoutNothing(event))}`;
    case "start":
      return `start from ${event.from.kind} ${plain(event.config)}`;
    default:
      return plain(event);
  }
}

/** Effects that are there. */
const withoutNothing = ({ effects }: Extract<Kept, { kind: "take" }>): object =>
  Object.fromEntries(
    Object.entries(effects ?? {}).filter(([, value]) => {
      const isEmptyList = Array.isArray(value) && value.length === 0;
      return value !== null && value !== 0 && !isEmptyList && !isNoEntries(value);
    }),
  );

const isNoEntries = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "count" in value && value.count === 0;

function traceLine({ name, id, role, term, commit, lastIndex, message }: TraceEvent): string {
  const where = `${role} term ${term} commit ${commit} last ${lastIndex}`;
  return `    ${name} by ${id}: ${where}${message === null ? "" : ` ${plain(message)}`}`;
}

const plain = (value: unknown): string =>
  JSON.stringify(value, (_, held) =>
    held instanceof Uint8Array ? `${held.length} bytes ${hexOf(held)}` : held,
  );

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, BYTES_SHOWN)).toString("hex");
