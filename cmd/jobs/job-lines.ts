import { createReadStream, statSync } from "node:fs";
import { bunRandom } from "../../engine/bun-platform.ts";
import type { Submission } from "../../engine/client/client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import { isJobId, mintJobId } from "../../engine/lib/ids.ts";
import { err, ok, type Result } from "../../engine/lib/result.ts";
import { whyNot } from "../fs-failure.ts";
import { NlFailure } from "../nl-failure.ts";
import type { World } from "../world.ts";
import { parseSpec } from "./spec-flags.ts";

const LINE_BYTES_MAX = 128 * 1024;

/** Lines of text, numbered from 1, and how much of them is read. */
export type Source = {
  readonly lines: () => AsyncIterable<{ readonly number: number; readonly text: string }>;
  /** 0 to 1; null: its length is not known. */
  readonly fraction: () => number | null;
};

/** A file, or standard input with `-`. */
export function openSource(file: string, world: World): Source {
  const size = file === "-" ? 0 : sizeOf(file);
  let read = 0;
  return {
    fraction: () => (size === 0 ? null : read / size),
    async *lines() {
      let number = 0;
      for await (const text of file === "-" ? world.inputLines() : fileLines(file)) {
        number += 1;
        read += Buffer.byteLength(text) + 1;
        yield { number, text };
      }
    },
  };
}

async function* fileLines(file: string): AsyncGenerator<string> {
  const { createInterface } = await import("node:readline");
  const input = createReadStream(file);
  yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
}

/** Looked at before anything is sent: 0 for what has no length. */
function sizeOf(file: string): number {
  try {
    const found = statSync(file);
    if (!found.isDirectory()) return found.isFile() ? found.size : 0;
  } catch (cause) {
    throw cannotRead(file, whyNot(cause));
  }
  throw cannotRead(file, "it is a directory");
}

const cannotRead = (file: string, why: string): NlFailure =>
  new NlFailure(nlError("invalid_argument", `cannot read ${file}: ${why}`, "check the path"));

/**
 * One spec as JSON. It may carry an `id`: then the same file can be sent again, and no job is there
 * twice. The error is a sentence.
 */
export async function parseLine(
  text: string,
  flags: Readonly<Record<string, unknown>>,
): Promise<Result<Submission, string>> {
  if (Buffer.byteLength(text) > LINE_BYTES_MAX) return err(`longer than ${LINE_BYTES_MAX} bytes`);
  const { parseSpecDocument } = await import("../../engine/config/spec-document.ts");
  const document = parseSpecDocument(text);
  if (!document.ok) return err(`${document.error.field} ${document.error.message}`.trim());
  if (typeof document.value !== "object" || document.value === null) {
    return err("a job spec is a mapping of fields");
  }
  const { id, ...fields } = document.value as Readonly<Record<string, unknown>>;
  if (id !== undefined && !(typeof id === "string" && isJobId(id))) {
    return err("id: must be 12 characters of 0-9 a-z without i, l, o, u");
  }
  try {
    const input = Array.isArray(document.value) ? document.value : { ...fields, ...flags };
    const spec = await parseSpec(input);
    return ok({ jobId: id ?? mintJobId((n) => bunRandom().below(n)), spec });
  } catch (cause) {
    if (cause instanceof NlFailure) return err(cause.error.message);
    throw cause;
  }
}
