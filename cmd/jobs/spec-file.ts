import { open } from "node:fs/promises";
import { nlError } from "../../engine/lib/error-code.ts";
import { whyNot } from "../fs-failure.ts";
import { NlFailure } from "../nl-failure.ts";
import type { World } from "../world.ts";

const FILE_BYTES_MAX = 256 * 1024;

/** A spec document from a file, or from standard input with `-`. */
export async function readSpecFile(file: string, world: World): Promise<Record<string, unknown>> {
  const text = file === "-" ? await world.readInput(FILE_BYTES_MAX) : await readBounded(file);
  const { parseSpecDocument } = await import("../../engine/config/spec-document.ts");
  const parsed = parseSpecDocument(text);
  const name = file === "-" ? "standard input" : file;
  if (!parsed.ok) {
    const { field, message, suggestion } = parsed.error;
    const where = field === "" ? name : `${name}: ${field}`;
    throw new NlFailure(nlError("invalid_spec", `${where}: ${message}`, suggestion));
  }
  if (typeof parsed.value === "object" && parsed.value !== null && !Array.isArray(parsed.value)) {
    return parsed.value as Record<string, unknown>;
  }
  throw new NlFailure(nlError("invalid_spec", `${name}: a job spec is a map of fields`));
}

/** Counted, not asked for: a device or a pipe has no size. */
async function readBounded(file: string): Promise<string> {
  try {
    const handle = await open(file, "r");
    try {
      const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
      let size = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, size, buffer.length - size);
        size += bytesRead;
        if (bytesRead === 0) return buffer.toString("utf8", 0, size);
        if (size > FILE_BYTES_MAX) break;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new NlFailure(
      nlError("invalid_argument", `cannot read ${file}: ${whyNot(cause)}`, "check the path"),
    );
  }
  throw new NlFailure(
    nlError("too_large", `${file} is larger than ${FILE_BYTES_MAX} bytes`, "one spec a file"),
  );
}
