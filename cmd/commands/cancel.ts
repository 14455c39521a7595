import { cleanLine } from "../../engine/lib/clean-text.ts";
import { ERROR_CODES } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { openClient } from "../connect.ts";
import { EXIT_PARTLY_FAILED, reportError } from "../report-error.ts";

const IDS_MAX = 1_000;

export const cancel = command({
  name: "cancel",
  summary: "Cancel jobs: TERM, their grace, then KILL; a pending one at once",
  examples: ["nl cancel 01j9xk5a", "nl cancel 01j9 01ja"],
  positionals: { name: "ID", min: 1, max: IDS_MAX },
  async run(invocation, world) {
    const client = await openClient(invocation, world);
    try {
      const codes: number[] = [];
      for (const id of invocation.positionals) {
        const answer = await client.cancelJob(id);
        if (answer.ok) {
          const { jobId, state } = answer.value;
          const words = state === "cancelled" ? "cancelled" : "cancelling";
          world.out(`${cleanLine(jobId)}${invocation.isSet("quiet") ? "" : ` ${words}`}\n`);
          codes.push(0);
        } else {
          reportError(answer.error, world, invocation.text("output"));
          codes.push(ERROR_CODES[answer.error.code].exit);
        }
      }
      const [first = 0] = codes;
      return codes.every((code) => code === first) ? first : EXIT_PARTLY_FAILED;
    } finally {
      client.close();
    }
  },
});
