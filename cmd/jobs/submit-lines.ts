import type { Client, Submission } from "../../engine/client/client.ts";
import { cleanLine } from "../../engine/lib/clean-text.ts";
import type { NlError } from "../../engine/lib/error-code.ts";
import { formatCount } from "../../engine/view/format.ts";
import { ProgressLine } from "../progress-line.ts";
import { EXIT_FAILED, EXIT_PARTLY_FAILED, reportError } from "../report-error.ts";
import type { World } from "../world.ts";
import { parseLine, type Source } from "./job-lines.ts";

const BATCH = 256;
const BATCHES_IN_FLIGHT = 4;

type Line = { readonly number: number; readonly submission: Submission };

type Options = {
  readonly source: Source;
  /** Spec fields given as flags: they win over a line's own. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly world: World;
  readonly format: string | null;
};

/**
 * One JSON spec a line: many jobs in few calls. Prints the ids in the order of the lines, and a
 * sentence for each line that is refused. When the cluster is lost, it stops there and says so.
 */
export async function submitLines(client: Client, options: Options): Promise<number> {
  const submitting = new Submitting(client, options);
  let batch: Line[] = [];
  for await (const { number, text } of options.source.lines()) {
    if (submitting.isLost) break;
    const line = await submitting.read(number, text);
    if (line !== null) batch.push(line);
    if (batch.length < BATCH) continue;
    await submitting.send(batch);
    batch = [];
  }
  if (batch.length > 0 && !submitting.isLost) await submitting.send(batch);
  return submitting.finish();
}

class Submitting {
  readonly #client: Client;
  readonly #options: Options;
  readonly #progress: ProgressLine;
  readonly #startedAt = performance.now();
  readonly #flying = new Set<Promise<unknown>>();
  /** Outcomes are told one batch after the other, whichever answer comes first. */
  #told: Promise<void> = Promise.resolve();
  #submitted = 0;
  #refused = 0;
  #lost: { readonly error: NlError; readonly fromLine: number } | null = null;

  constructor(client: Client, options: Options) {
    this.#client = client;
    this.#options = options;
    this.#progress = new ProgressLine(options.world);
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Null: the line is empty, or was refused. */
  async read(number: number, text: string): Promise<Line | null> {
    if (text.trim() === "") return null;
    const parsed = await parseLine(text, this.#options.flags);
    if (parsed.ok) return { number, submission: parsed.value };
    this.#refuse(number, "invalid_spec", parsed.error);
    return null;
  }

  /** Returns when there is room for another batch. */
  async send(lines: readonly Line[]): Promise<void> {
    const answer = this.#client.submitJobs(lines.map(({ submission }) => submission));
    const settled = answer.finally(() => this.#flying.delete(settled));
    this.#flying.add(settled);
    this.#told = this.#told.then(async () => this.#tell(lines, await answer));
    if (this.#flying.size >= BATCHES_IN_FLIGHT) await Promise.race(this.#flying);
  }

  async finish(): Promise<number> {
    await this.#told;
    this.#progress.clear();
    const { world, format } = this.#options;
    world.err(`${this.#counts()}\n`);
    if (this.#lost !== null) {
      const { error, fromLine } = this.#lost;
      reportError(
        { ...error, message: `line ${fromLine} and later: ${error.message}` },
        world,
        format,
      );
    }
    if (this.#refused === 0 && this.#lost === null) return 0;
    return this.#submitted === 0 ? EXIT_FAILED : EXIT_PARTLY_FAILED;
  }

  #tell(lines: readonly Line[], answer: Awaited<ReturnType<Client["submitJobs"]>>): void {
    if (!answer.ok) {
      this.#lost ??= { error: answer.error, fromLine: lines[0]?.number ?? 0 };
      return;
    }
    answer.value.forEach(({ jobId, failure }, at) => {
      const number = lines[at]?.number ?? 0;
      if (failure === undefined) this.#accept(number, jobId);
      else this.#refuse(number, failure.code, failure.message);
    });
    this.#progress.show(this.#options.source.fraction(), `${this.#counts()} ${this.#rate()}`);
  }

  #accept(line: number, id: string): void {
    this.#submitted += 1;
    const { world, format } = this.#options;
    if (world.outIsTerminal) this.#progress.clear();
    world.out(isJson(format) ? `${JSON.stringify({ api: "v1", line, id })}\n` : `${id}\n`);
  }

  #refuse(line: number, code: string, message: string): void {
    this.#refused += 1;
    const { world, format } = this.#options;
    this.#progress.clear();
    if (isJson(format)) world.err(`${JSON.stringify({ line, error: { code, message } })}\n`);
    else world.err(`line ${line}: ${cleanLine(message)}\n`);
  }

  #counts(): string {
    return `${formatCount(this.#submitted)} submitted, ${formatCount(this.#refused)} refused`;
  }

  #rate(): string {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return `${formatCount(this.#submitted / Math.max(seconds, 0.1))}/s`;
  }
}

const isJson = (format: string | null): boolean => format === "json" || format === "jsonl";
