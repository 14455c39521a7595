import { bunRandom } from "../../engine/bun-platform.ts";
import type { Client, Job, OutputChunk } from "../../engine/client/client.ts";
import { isJobId, type JobId, mintJobId } from "../../engine/lib/ids.ts";
import { openClient } from "../connect.ts";
import type { Invocation } from "../invocation.ts";
import { orFail } from "../nl-failure.ts";
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
  const [spec, client] = await Promise.all([
    parseSpec({ ...input, ...specInput(invocation) }),
    openClient(invocation, world),
  ]);
  try {
    const jobId = chosenId(invocation);
    orFail(await client.submitJob({ jobId, spec }));
    if (detach || invocation.isSet("quiet")) world.out(`${jobId}\n`);
    if (detach) return 0;
    const job = await follow(client, jobId, world);
    return job === null ? EXIT_INTERRUPTED : finish(job, world);
  } finally {
    client.close();
  }
}

export function chosenId(invocation: Invocation): JobId {
  const given = invocation.text("id");
  if (given === null) return mintJobId((n) => bunRandom().below(n));
  if (isJobId(given)) return given;
  throw new UsageError(`"${given}" is not a job id`, "12 characters of 0-9 a-z without i, l, o, u");
}

/** Null when the person let go of the job: it runs on. */
async function follow(client: Client, jobId: JobId, world: World): Promise<Job | null> {
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
  for await (const chunk of client.readOutput(
    { jobId, follow: true, untilJobOver: true },
    signal,
  )) {
    if (chunk.ok) writeChunk(chunk.value, world);
    else if (!signal.aborted) world.err(`nl: output: ${chunk.error.message}\n`);
  }
}

const STDERR_STREAM = 2;

export function writeChunk(chunk: OutputChunk, world: World): void {
  if (chunk.skippedBytes > 0)
    world.err(`nl: ${chunk.skippedBytes} bytes of output were not kept\n`);
  if (chunk.data.length === 0) return;
  if (chunk.stream === STDERR_STREAM) world.err(chunk.data);
  else world.out(chunk.data);
}

/** The first interrupt asks the job to stop, as docker run does; the second lets go of it. */
function onInterrupt(client: Client, jobId: JobId, world: World): () => void {
  const { interrupted } = world;
  const cancel = () => {
    world.err(`\nnl: cancelling ${jobId}; again: leave it running\n`);
    void client.cancelJob(jobId).then((answer) => {
      if (!answer.ok) world.err(`nl: ${answer.error.message}\n`);
    });
  };
  interrupted.addEventListener("abort", cancel, { once: true });
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
