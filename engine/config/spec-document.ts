import { err, ok, type Result } from "../lib/result.ts";
import { scanJson } from "./flow-scan.ts";
import type { ScanFault } from "./scan-text.ts";
import { type SpecError, specError } from "./spec-error.ts";
import { scanYaml } from "./yaml-scan.ts";

const DOCUMENT_BYTES_MAX = 256 * 1024;

/**
 * The values of a YAML or JSON text, for `parseJobSpec` to judge. Size, structure and doubtful
 * constructs are checked before the runtime's parser sees the text, which accepts too much.
 */
export function parseSpecDocument(text: string): Result<unknown, SpecError> {
  if (new TextEncoder().encode(text).length > DOCUMENT_BYTES_MAX) {
    return err(specError("", `the document is larger than ${DOCUMENT_BYTES_MAX / 1024} KiB`));
  }
  if (text.includes("\0")) return err(specError("", "the document contains a NUL byte"));
  const clean = text.startsWith("\uFEFF") ? text.slice(1) : text;
  if (clean.trim() === "") {
    return err(specError("", "the document is empty", "run: echo hello"));
  }
  const isJson = /^\s*[{[]/.test(clean);
  const fault = isJson ? scanJson(clean) : scanYaml(clean);
  if (fault !== null) return err(asSpecError(fault));
  return isJson
    ? parsed("JSON", () => JSON.parse(clean))
    : parsed("YAML", () => Bun.YAML.parse(clean));
}

const asSpecError = ({ line, sentence }: ScanFault): SpecError =>
  specError("", `line ${line} ${sentence}`);

function parsed(language: string, parse: () => unknown): Result<unknown, SpecError> {
  try {
    return ok(parse());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "unreadable";
    return err(specError("", `the document is not valid ${language}: ${why}`));
  }
}
