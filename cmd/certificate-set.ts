import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodeId, UnixMillis } from "../engine/lib/ids.ts";
import { err, ok, type Result } from "../engine/lib/result.ts";
import { saveAuthority, saveIdentity } from "../engine/security/certificate-files.ts";
import {
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from "../engine/security/certificates.ts";

/** `DIR/ca*.pem`, `DIR/<node>/node*.pem`, `DIR/client/client*.pem`. The error is a sentence. */
export async function certificateSet(options: {
  readonly directory: string;
  readonly clusterId: string;
  readonly nodes: readonly { readonly id: NodeId; readonly host: string }[];
  readonly user: string;
  readonly now: UnixMillis;
}): Promise<Result<void, string>> {
  const { directory, clusterId, nodes, user, now } = options;
  const authority = await createAuthority({ clusterId, now });
  if (!authority.ok) return badName(authority.error.name);
  const caPem = authority.value.certificatePem;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await saveAuthority(directory, authority.value);
  for (const { id, host } of nodes) {
    const issued = await issueNodeCertificate(authority.value, {
      nodeId: id,
      addresses: [host],
      now,
    });
    if (!issued.ok) return badName(issued.error.name);
    await mkdir(join(directory, id), { mode: 0o700 });
    await saveIdentity(join(directory, id), "node", { ...issued.value, caPem });
  }
  const client = await issueClientCertificate(authority.value, { user, role: "admin", now });
  if (!client.ok) return badName(client.error.name);
  await mkdir(join(directory, "client"), { mode: 0o700 });
  await saveIdentity(join(directory, "client"), "client", { ...client.value, caPem });
  return ok(undefined);
}

const badName = (name: string): Result<void, string> =>
  err(`"${name}" cannot stand in a certificate: use a-z, 0-9, dot, dash, at most 63 characters`);
