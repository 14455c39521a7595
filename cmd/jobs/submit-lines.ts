import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { bunRandom } from "../../engine/bun-platform.ts";
import type { Client, Submission } from "../../engine/client/client.ts";
import { mintJobId } from "../../engine/lib/ids.ts";
import { formatCount } from "../../engine/view/format.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { EXIT_FAILED, EXIT_PARTLY_FAILED } from "../report-error.ts";
import type { World } from "../world.ts";
import { parseSpec } from "./spec-flags.ts";

const BATCH = 256;
const LINE_BYTES_MAX = 128 * 1024;
const BATCHES_IN_FLIGHT = 4;
const PROGRESS_MILLIS = 100;

type Tally = { submitted: number; refused: number; shownAt: number };
type Line = { readonly number: number; readonly submission: Submission };

/** One JSON spec a line: many jobs in few calls, a line of its own for each that is refused. */
export async function submitLines(
  client: Client,
  options: { readonly file: string; readonly world: World; readonly isQuiet: boolean },
): Promise<number> {
  const { world } = options;
  const tally: Tally = { submitted: 0, refused: 0, shownAt: 0 };
  const flying = new Set<Promise<void>>();
  let batch: Line[] = [];
  const send = async () => {
    const lines = batch;
    batch = [];
    const sent = sendBatch(client, lines, { tally, world }).finally(() => flying.delete(sent));
    flying.add(sent);
    if (flying.size >= BATCHES_IN_FLIGHT) await Promise.race(flying);
  };
  for await (const line of parsedLines(options.file, { world, tally })) {
    batch.push(line);
    if (batch.length >= BATCH) await send();
  }
  if (batch.length > 0) await send();
  await Promise.all(flying);
  showProgress(world, tally, true);
  if (tally.refused === 0) return 0;
  return tally.submitted === 0 ? EXIT_FAILED : EXIT_PARTLY_FAILED;
}

type Reporting = { readonly world: World; readonly tally: Tally };

async function* parsedLines(file: string, reporting: Reporting): AsyncIterable<Line> {
  const { world } = reporting;
  const lines =
    file === "-"
      ? world.inputLines()
      : createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === "") continue;
    const submission = await parseLine(line).catch((cause: unknown) => {
      if (!(cause instanceof NlFailure)) throw cause;
      refuse(reporting, number, cause.message);
      return null;
    });
    if (submission !== null) yield { number, submission };
  }
}

async function parseLine(line: string): Promise<Submission> {
  const { parseSpecDocument } = await import("../../engine/config/spec-document.ts");
  if (Buffer.byteLength(line) > LINE_BYTES_MAX) {
    throw new NlFailure(orFailText(`longer than ${LINE_BYTES_MAX} bytes`));
  }
  const parsed = parseSpecDocument(line);
  if (!parsed.ok) throw new NlFailure(orFailText(`${parsed.error.field} ${parsed.error.message}`));
  const spec = await parseSpec(parsed.value);
  return { jobId: mintJobId((n) => bunRandom().below(n)), spec };
}

const orFailText = (message: string) =>
  ({ code: "invalid_spec", message: message.trim(), hint: "", retryAfterMillis: 0 }) as const;

async function sendBatch(
  client: Client,
  lines: readonly Line[],
  reporting: Reporting,
): Promise<void> {
  const outcomes = orFail(await client.submitJobs(lines.map(({ submission }) => submission)));
  outcomes.forEach((outcome, at) => {
    if (outcome.failure === undefined) {
      reporting.tally.submitted += 1;
      reporting.world.out(`${outcome.jobId}\n`);
    } else refuse(reporting, lines[at]?.number ?? 0, outcome.failure.message);
  });
  showProgress(reporting.world, reporting.tally, false);
}

function refuse({ world, tally }: Reporting, line: number, message: string): void {
  tally.refused += 1;
  world.err(`${world.errIsTerminal ? "\r\u001b[K" : ""}line ${line}: ${message}\n`);
}

/** On a terminal a line that moves; elsewhere one line at the end. */
function showProgress(world: World, tally: Tally, isLast: boolean): void {
  const text = `${formatCount(tally.submitted)} submitted, ${formatCount(tally.refused)} refused`;
  if (isLast) world.err(`${world.errIsTerminal ? "\r\u001b[K" : ""}${text}\n`);
  else if (world.errIsTerminal && performance.now() - tally.shownAt > PROGRESS_MILLIS) {
    tally.shownAt = performance.now();
    world.err(`\r\u001b[K${text} …`);
  }
}
