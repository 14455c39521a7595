import type { LogEntry } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { type Printing, printRows } from "../print.ts";
import { withClient } from "../with-client.ts";

export const clusterLog = command({
  name: "log",
  summary: "The entries of the Raft log, one line each",
  examples: ["nl cluster log", "nl cluster log --start 1 --limit 50"],
  args: {
    start: {
      type: "string",
      valueHint: "INDEX",
      description: "From this index (default: the newest)",
    },
    limit: { type: "string", valueHint: "N", description: "At most this many (default 20)" },
  },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const startIndex = invocation.integer("start", 1, Number.MAX_SAFE_INTEGER) ?? 0;
      const limit = invocation.integer("limit", 1, 1_000) ?? 20;
      const log = orFail(await client.listLog({ startIndex, limit }));
      printRows(log.entries, entryPrinting, { invocation, world });
      const { firstAvailableIndex, lastIndex, commitIndex } = log;
      world.err(`log ${firstAvailableIndex}–${lastIndex}, committed up to ${commitIndex}\n`);
      return 0;
    }),
});

const entryPrinting: Printing<LogEntry> = {
  columns: [
    { title: "INDEX", value: ({ index }) => String(index), alignRight: true },
    { title: "TERM", value: ({ term }) => String(term), alignRight: true },
    { title: "COMMAND", value: ({ kind, command: name }) => (name === "" ? kind : name) },
    { title: "BYTES", value: ({ bytes }) => String(bytes), alignRight: true },
    { title: "COMMITTED", value: ({ committed }) => (committed ? "yes" : "no") },
    { title: "WHAT", value: ({ summary }) => summary },
  ],
  data: (entry) => entry,
  name: ({ index }) => String(index),
};
