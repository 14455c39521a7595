import type { Principal, Role } from "./identity.ts";

/** What a role may do with an operation; `own` = only on jobs that this user submitted. */
export type Access = "all" | "own" | "none";

type Grants = Partial<Record<Role | "node", Exclude<Access, "none">>>;

const NODES: Grants = { node: "all" };
const EVERYONE: Grants = { admin: "all", operator: "all", submitter: "all", viewer: "all" };
const SUBMITTERS: Grants = { admin: "all", operator: "all", submitter: "all" };
const OWNERS: Grants = { admin: "all", operator: "all", submitter: "own" };
const OPERATORS: Grants = { admin: "all", operator: "all" };
const ADMINS: Grants = { admin: "all" };
const NOBODY: Grants = {};

/**
 * The one table of who may do what, by gRPC method; REST and the other translations use the same
 * rows. What is not here is denied, and a test fails when a method of `proto/nl/v1` is missing.
 */
const GRANTS: Readonly<Record<string, Grants>> = {
  "Jobs.SubmitJob": SUBMITTERS,
  "Jobs.SubmitJobs": SUBMITTERS,
  "Jobs.SubmitStream": SUBMITTERS,
  "Jobs.GetJob": EVERYONE,
  "Jobs.ListJobs": EVERYONE,
  "Jobs.WaitJob": EVERYONE,
  "Jobs.CancelJob": OWNERS,
  // Output may hold what the job was trusted with: a viewer does not see it.
  "Jobs.ReadOutput": OWNERS,
  "Nodes.ListNodes": EVERYONE,
  "Nodes.DrainNode": OPERATORS,
  "Nodes.UndrainNode": OPERATORS,
  // Nodes, too: for what works on the data of one that is stopped, and asks the others first.
  "Cluster.GetStatus": { ...EVERYONE, node: "all" },
  // What only the leader knows, fetched by the other nodes.
  "Cluster.GetDigest": NODES,
  "Cluster.TransferLeader": ADMINS,
  "Cluster.ListMembers": EVERYONE,
  "Cluster.CreateJoinToken": ADMINS,
  "Cluster.RevokeJoinToken": ADMINS,
  // The listener that nodes join at has checked the token; the leader does it again.
  "Cluster.Join": NODES,
  "Cluster.PromoteMember": ADMINS,
  "Cluster.RemoveMember": ADMINS,
  // Raw entries hold every job's specification.
  "Cluster.ListLog": ADMINS,
  "Cluster.SaveSnapshot": ADMINS,
  "Watch.Watch": EVERYONE,
  "Worker.Heartbeat": NODES,
  "Worker.Report": NODES,
  "Worker.Register": NODES,
  "Worker.ReadLocalOutput": NODES,
  "Raft.Connect": NODES,
  "Raft.SendSnapshot": NODES,
  "Forward.Call": NODES,
  // Served on a 0600 unix socket only, whose mode is the check; never on the mTLS port.
  "TaskHost.Hello": NOBODY,
  "TaskHost.Start": NOBODY,
  "TaskHost.Stop": NOBODY,
  "TaskHost.Remove": NOBODY,
  "TaskHost.WatchTasks": NOBODY,
  "TaskHost.RenewLease": NOBODY,
  "TaskHost.ReadOutput": NOBODY,
  "TaskHost.Shutdown": NOBODY,
};

const METHOD = /^\/nl\.v1\.([A-Za-z]+)\/([A-Za-z]+)$/;

/** The row of a full gRPC method name (`/nl.v1.Jobs/SubmitJob` → `Jobs.SubmitJob`), or null. */
export function operationOf(method: string): string | null {
  const [, service = "", name = ""] = METHOD.exec(method) ?? [];
  const operation = `${service}.${name}`;
  return Object.hasOwn(GRANTS, operation) ? operation : null;
}

/** How far `principal` may go with a full gRPC method name. Unknown methods: `none`. */
export function accessOf(principal: Principal, method: string): Access {
  const operation = operationOf(method);
  if (operation === null) return "none";
  const caller = principal.kind === "node" ? "node" : principal.role;
  return GRANTS[operation]?.[caller] ?? "none";
}

/** Whether `principal` may call the method at all; `own` must still be checked on the job. */
export const mayCall = (principal: Principal, method: string): boolean =>
  accessOf(principal, method) !== "none";
