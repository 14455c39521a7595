import type { Client } from "../../engine/client/client.ts";
import { cleanLine } from "../../engine/lib/clean-text.ts";
import { ERROR_CODES } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { idsGiven } from "../ids-given.ts";
import { type Format, formatOf, isJsonFormat } from "../print.ts";
import { EXIT_PARTLY_FAILED, reportError } from "../report-error.ts";
import { withClient } from "../with-client.ts";

const IN_FLIGHT_MAX = 32;

export const cancel = command({
  name: "cancel",
  summary: "Cancel jobs: TERM, their grace, then KILL; a pending one at once",
  examples: ["nl cancel 01j9xk5a", "nl cancel 01j9 01ja", "nl ps -q | nl cancel -"],
  positionals: { name: "ID", min: 1, max: Number.POSITIVE_INFINITY },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const format = formatOf(invocation);
      const ids = await idsGiven(invocation, world);
      const codes = new Set<number>();
      for await (const answer of answers(client, ids)) {
        if (answer.ok) world.out(lineOf(answer.value, format));
        else reportError(answer.error, world, format);
        codes.add(answer.ok ? 0 : ERROR_CODES[answer.error.code].exit);
      }
      const [only = 0] = codes;
      return codes.size <= 1 ? only : EXIT_PARTLY_FAILED;
    }),
});

function lineOf(
  { jobId: id, state }: { readonly jobId: string; readonly state: string },
  format: Format,
): string {
  const now = state === "cancelled" ? "cancelled" : "cancelling";
  if (isJsonFormat(format)) return `${JSON.stringify({ api: "v1", id, state: now })}\n`;
  return `${cleanLine(format === "name" ? id : `${id} ${now}`)}\n`;
}

/** In the order of the ids, several asked at a time. */
async function* answers(client: Client, ids: readonly string[]) {
  const asked: ReturnType<Client["cancelJob"]>[] = [];
  for (let at = 0; at < ids.length; at++) {
    while (asked.length < Math.min(ids.length, at + IN_FLIGHT_MAX)) {
      asked.push(client.cancelJob(ids[asked.length] ?? ""));
    }
    const answer = await asked[at];
    if (answer !== undefined) yield answer;
  }
}
