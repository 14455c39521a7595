import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../engine/client/grpc-client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import type { OtherMember } from "../../engine/offline/examine-node.ts";
import { certificateDirectory } from "../../engine/security/certificate-files.ts";
import { NlFailure } from "../nl-failure.ts";
import { livingProcess } from "./process-file.ts";

/** What the commands do that work on the directory of a node which does not run. */

/** How long all members together are given to answer. */
const ASK_MILLIS = 3_000;

export type MemberAnswer = OtherMember & {
  /** Null: it did not answer. */
  readonly said: { readonly leaderId: string; readonly ready: boolean } | null;
};

export function requireStopped(directory: string): void {
  const pid = livingProcess(join(directory, "agent.json"));
  if (pid === null) return;
  throw new NlFailure(
    nlError(
      "refused",
      `the node of ${directory} runs (process ${pid})`,
      "stop it first; while it runs, nl status says how it is",
    ),
  );
}

/** Asks every other member at the same time, with the node's own certificate. */
export async function askMembers(
  directory: string,
  others: readonly OtherMember[],
): Promise<readonly MemberAnswer[]> {
  const certificates = certificateDirectory(directory);
  const read = (name: string): string => readFileSync(join(certificates, name), "utf8");
  const credentials = { ca: read("ca.pem"), cert: read("node.pem"), key: read("node-key.pem") };
  return Promise.all(
    others.map(async (member) => {
      const addresses = [member.address];
      const client = connect({ addresses, credentials, requestTimeoutMillis: ASK_MILLIS });
      const status = await client.getStatus();
      client.close();
      // Through one member the client finds others: only its own word counts.
      if (!status.ok || status.value.nodeId !== member.nodeId) return { ...member, said: null };
      const { leaderId, ready } = status.value;
      return { ...member, said: { leaderId, ready } };
    }),
  );
}

/** Without this node: a leader that a quorum follows, or enough voters to elect one. */
export function hasHealthyMajority(answers: readonly MemberAnswer[]): boolean {
  if (answers.some(({ said }) => said?.ready === true && said.leaderId !== "")) return true;
  const voters = answers.filter(({ isVoter }) => isVoter);
  const answering = voters.filter(({ said }) => said !== null);
  return answering.length > (voters.length + 1) / 2;
}

export const namesOf = (members: readonly OtherMember[]): string =>
  members.map(({ nodeId, address }) => `${nodeId} (${address})`).join(", ");
