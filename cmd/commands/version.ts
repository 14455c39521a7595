import { command } from "../command.ts";
import { formatOf, printRecord } from "../print.ts";
import { VERSION } from "../version.ts";

export const version = command({
  name: "version",
  summary: "Print the version of nl",
  examples: ["nl version", "nl version -o json"],
  run: (invocation, world) => {
    const data = { api: "v1", version: VERSION, bun: Bun.version };
    const format = formatOf(invocation);
    if (format === "table") world.out(`nl ${VERSION}\n`);
    else {
      const fields = [
        ["nl", VERSION],
        ["bun", Bun.version],
      ] as const;
      printRecord({ fields, data, name: VERSION }, { invocation, world });
    }
    return Promise.resolve(0);
  },
});
