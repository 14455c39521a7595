import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { NodeId } from "../lib/ids.ts";
import { type Principal, ROLES } from "./identity.ts";
import { accessOf, mayCall, operationOf } from "./roles.ts";

const generated = join(import.meta.dir, "../../proto/gen/nl/v1");
const methods = await methodsOfServices();
const node: Principal = { kind: "node", nodeId: "n1" as NodeId };
const principals: readonly Principal[] = [
  node,
  ...ROLES.map((role) => ({ kind: "user", name: "alice", role }) as const),
];

/** Columns: node, admin, operator, submitter, viewer. `+` all, `o` own jobs only, `-` none. */
const EXPECTED = `
  /nl.v1.Cluster/CreateJoinToken -+---
  /nl.v1.Cluster/GetDigest       +----
  /nl.v1.Cluster/GetStatus       +++++
  /nl.v1.Cluster/Join            +----
  /nl.v1.Cluster/ListLog         -+---
  /nl.v1.Cluster/ListMembers     -++++
  /nl.v1.Cluster/PromoteMember   -+---
  /nl.v1.Cluster/RemoveMember    -+---
  /nl.v1.Cluster/RevokeJoinToken -+---
  /nl.v1.Cluster/SaveSnapshot    -+---
  /nl.v1.Cluster/TransferLeader  -+---
  /nl.v1.Forward/Call            +----
  /nl.v1.Jobs/CancelJob          -++o-
  /nl.v1.Jobs/GetJob             -++++
  /nl.v1.Jobs/ListJobs           -++++
  /nl.v1.Jobs/ReadOutput         -++o-
  /nl.v1.Jobs/SubmitJob          -+++-
  /nl.v1.Jobs/SubmitJobs         -+++-
  /nl.v1.Jobs/SubmitStream       -+++-
  /nl.v1.Jobs/WaitJob            -++++
  /nl.v1.Nodes/DrainNode         -++--
  /nl.v1.Nodes/ListNodes         -++++
  /nl.v1.Nodes/UndrainNode       -++--
  /nl.v1.Raft/Connect            +----
  /nl.v1.Raft/SendSnapshot       +----
  /nl.v1.TaskHost/Hello          -----
  /nl.v1.TaskHost/ReadOutput     -----
  /nl.v1.TaskHost/Remove         -----
  /nl.v1.TaskHost/RenewLease     -----
  /nl.v1.TaskHost/Shutdown       -----
  /nl.v1.TaskHost/Start          -----
  /nl.v1.TaskHost/Stop           -----
  /nl.v1.TaskHost/WatchTasks     -----
  /nl.v1.Watch/Watch             -++++
  /nl.v1.Worker/Heartbeat        +----
  /nl.v1.Worker/ReadLocalOutput  +----
  /nl.v1.Worker/Register         +----
  /nl.v1.Worker/Report           +----
`;

describe("roles", () => {
  test("every method of every service stands in the table", () => {
    expect(methods.length).toBeGreaterThan(20);
    expect(methods.filter((method) => operationOf(method) === null)).toEqual([]);
  });

  test("grant exactly this matrix", () => {
    const sign = { all: "+", own: "o", none: "-" } as const;
    const width = Math.max(...methods.map((method) => method.length));
    const rows = methods.map((method) => {
      const signs = principals.map((principal) => sign[accessOf(principal, method)]);
      return `  ${method.padEnd(width)} ${signs.join("")}`;
    });

    expect(`\n${rows.join("\n")}\n`).toBe(EXPECTED);
  });

  test("deny what is not in the table, whoever asks", () => {
    const unknown = ["", "/", "/nl.v1.Jobs/", "/nl.v1.Jobs/Erase", "Jobs.SubmitJob", "/x/y"];
    const inherited = ["/nl.v1.constructor/name", "/nl.v1.Jobs/toString"];

    for (const method of [...unknown, ...inherited]) {
      for (const principal of principals) expect(mayCall(principal, method)).toBe(false);
    }
  });
});

/** The paths of every method that the generated services define, sorted. */
async function methodsOfServices(): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const name of new Bun.Glob("*.ts").scanSync(generated)) {
    const module: Record<string, unknown> = await import(join(generated, name));
    for (const [key, service] of Object.entries(module)) {
      if (!key.endsWith("Service") || typeof service !== "object" || service === null) continue;
      for (const method of Object.values<{ readonly path: string }>({ ...service })) {
        paths.push(method.path);
      }
    }
  }
  return paths.sort();
}
