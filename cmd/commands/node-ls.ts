import type { Node } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { type Printing, printRows } from "../print.ts";
import { withClient } from "../with-client.ts";

export const nodeLs = command({
  name: "ls",
  summary: "List the nodes and what they have room for",
  examples: ["nl node ls", "nl node ls -o wide"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const { nodes } = orFail(await client.listNodes());
      const sorted = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
      printRows(sorted, nodePrinting, { invocation, world });
      return 0;
    }),
});

const nodePrinting: Printing<Node> = {
  columns: [
    { title: "NODE", value: ({ id }) => id },
    { title: "LIVENESS", value: ({ liveness }) => liveness },
    { title: "WORK", value: ({ eligibility }) => eligibility },
    {
      title: "JOBS",
      value: ({ running, assigned, slots }) => `${running + assigned}/${slots}`,
      alignRight: true,
    },
    { title: "ROLES", value: ({ roles }) => roles.join(",") },
    { title: "DRIVERS", value: ({ drivers }) => drivers.join(",") },
    { title: "ADDRESS", value: ({ rpcAddress }) => rpcAddress },
    {
      title: "CPU",
      value: ({ cpuMillis }) => (cpuMillis / 1000).toFixed(1),
      isWide: true,
      alignRight: true,
    },
    {
      title: "MEMORY",
      value: ({ memoryBytes }) => `${Math.round(memoryBytes / 2 ** 20)}Mi`,
      isWide: true,
      alignRight: true,
    },
    {
      title: "HEARD",
      value: ({ lastHeardMillis }) => `${(lastHeardMillis / 1000).toFixed(1)}s`,
      isWide: true,
      alignRight: true,
    },
    { title: "VERSION", value: ({ version }) => version, isWide: true },
  ],
  data: (node) => ({ api: "v1", ...node }),
  name: ({ id }) => id,
};
