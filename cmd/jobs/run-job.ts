import { bunRandom } from "../../engine/bun-platform.ts";
import type { Client, Job, OutputChunk } from "../../engine/client/client.ts";
import { cleanLine } from "../../engine/lib/clean-text.ts";
import { isJobId, type JobId, mintJobId } from "../../engine/lib/ids.ts";
import { formatCount } from "../../engine/view/format.ts";
import { openClient } from "../connect.ts";
import type { Invocation } from "../invocation.ts";
import { orFail } from "../nl-failure.ts";
import { type Format, formatOf, isJsonFormat } from "../print.ts";
import { EXIT_INTERRUPTED } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import type { World } from "../world.ts";
import { endSentence, jobExitCode, troubleCode } from "./job-exit-code.ts";
import { parseSpec, specInput } from "./spec-flags.ts";

export type RunJob = {
  readonly invocation: Invocation;
  readonly world: World;
  /** Spec fields beyond the flags: the command, or a whole document. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly detach: boolean;
};

/** After this long without a start, `run` says what the job waits for. */
const PATIENCE_MILLIS = 1_500;

/** Submits one job, shows its output as its own, and answers with its exit code. */
export async function runJob({ invocation, world, input, detach }: RunJob): Promise<number> {
  // From here on an interrupt concerns the job, which may exist before anybody has heard of it.
  const { interrupted } = world;
  const format = formatOf(invocation);
  const [spec, client] = await Promise.all([
    parseSpec({ ...input, ...specInput(invocation) }),
    openClient(invocation, world),
  ]);
  try {
    const jobId = chosenId(invocation);
    orFail(await client.submitJob({ jobId, spec }));
    if (detach) printId(jobId, format, world);
    else if (invocation.isSet("quiet")) world.out(`${jobId}\n`);
    if (detach) return interrupted.aborted ? EXIT_INTERRUPTED : 0;
    return finish(await follow(client, jobId, world), world);
  } finally {
    client.close();
  }
}

/** The id on stdout, in the format that was asked for. */
export function printId(id: JobId, format: Format, world: World): void {
  if (isJsonFormat(format)) world.out(`${JSON.stringify({ api: "v1", id })}\n`);
  else if (format === "yaml") world.out(`api: v1\nid: ${id}\n`);
  else world.out(`${id}\n`);
}

export function chosenId(invocation: Invocation): JobId {
  const given = invocation.text("id");
  if (given === null) return mintJobId((n) => bunRandom().below(n));
  if (isJobId(given)) return given;
  throw new UsageError(`"${given}" is not a job id`, "12 characters of 0-9 a-z without i, l, o, u");
}

/** Until the job is over, also while it is being cancelled. */
async function follow(client: Client, jobId: JobId, world: World): Promise<Job> {
  const letGo = new AbortController();
  const interrupts = onInterrupt(client, jobId, world);
  const waiting = client.waitJob(jobId, letGo.signal);
  const impatience = setTimeout(() => void sayWaiting(client, jobId, world), PATIENCE_MILLIS);
  const output = copyOutput(client, jobId, world, letGo.signal);
  try {
    const job = orFail(await waiting);
    await output;
    return job;
  } finally {
    clearTimeout(impatience);
    interrupts();
    letGo.abort();
  }
}

async function copyOutput(
  client: Client,
  jobId: JobId,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  let skippedBytes = 0;
  const request = { jobId, follow: true, untilJobOver: true };
  for await (const chunk of client.readOutput(request, signal)) {
    if (chunk.ok) {
      skippedBytes += chunk.value.skippedBytes;
      writeChunk(chunk.value, world);
    } else if (!signal.aborted) world.err(`nl: output: ${cleanLine(chunk.error.message)}\n`);
  }
  if (skippedBytes > 0) world.err(`nl: ${skippedSentence(skippedBytes)}\n`);
}

const STDERR_STREAM = 2;

/** A job that writes faster than it is read loses the middle: its first and last bytes are kept. */
export const skippedSentence = (bytes: number): string =>
  `${formatCount(bytes)} bytes in the middle of the output were not kept (--output-keep keeps more)`;

export function writeChunk(chunk: OutputChunk, world: World): void {
  if (chunk.data.length === 0) return;
  if (chunk.stream === STDERR_STREAM) world.err(chunk.data);
  else world.out(chunk.data);
}

/** The first interrupt asks the job to stop, as docker run does; the second lets go of it. */
function onInterrupt(client: Client, jobId: JobId, world: World): () => void {
  const { interrupted } = world;
  const cancel = () => {
    world.err(`\nnl: cancelling ${jobId}; again: do not wait for its end\n`);
    void client.cancelJob(jobId).then((answer) => {
      if (!answer.ok) world.err(`nl: ${answer.error.message}\n`);
    });
  };
  if (interrupted.aborted) cancel();
  else interrupted.addEventListener("abort", cancel, { once: true });
  return () => interrupted.removeEventListener("abort", cancel);
}

async function sayWaiting(client: Client, jobId: JobId, world: World): Promise<void> {
  const answer = await client.getJob(jobId, { stale: true });
  if (!answer.ok || answer.value.job?.state !== "pending") return;
  const why = answer.value.job.waitingFor;
  world.err(`nl: ${jobId} waits${why === "" ? "" : `: ${why}`}\n`);
}

/** What the code alone does not say goes to stderr. */
export function finish(job: Job, world: World): number {
  const sentence = endSentence(job);
  if (sentence !== "") world.err(`nl: ${sentence}\n`);
  const code = troubleCode(job);
  if (code !== null) world.err(`code: ${code}\n`);
  const driver = job.attempts.at(-1)?.driver ?? "";
  if (driver === "plain") world.err("nl: it ran as a plain process, without isolation\n");
  return jobExitCode(job);
}
