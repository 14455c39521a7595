import { describe, expect, test } from "bun:test";
import type { UnixMillis } from "../../lib/ids.ts";
import { createAuthority } from "../../security/certificates.ts";
import { hashJoinSecret, parseJoinToken } from "../../security/join-token.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { createJoinToken, join, revokeJoinToken } from "./joining.ts";
import { listMembers, removeMember } from "./members.ts";

async function start(size = 1): Promise<FakeNode> {
  const made = await createAuthority({ clusterId: "blue", now: Date.now() as UnixMillis });
  if (!made.ok) throw new Error(made.error.kind);
  return new FakeNode({ size, caPem: made.value.certificatePem });
}

const NODE = {
  name: "",
  storeId: "s".repeat(24),
  rpcAddress: "10.0.0.9:7171",
  httpAddress: "10.0.0.9:7181",
  learner: false,
  featureLevel: 1,
  version: "test",
};

async function tokenOf(fake: FakeNode) {
  const wish = { role: "", lifetimeMillis: 0, uses: 0 };
  const made = await fake.settle(createJoinToken(fake.context, fake.caller, wish));
  const token = made.ok ? parseJoinToken(made.value.token) : null;
  if (token === null) throw new Error("no token");
  return token;
}

describe("joining", () => {
  test("takes the secret of the token; a guess costs no log entry", async () => {
    const fake = await start();
    const { id: tokenId, secret } = await tokenOf(fake);
    const before = fake.context.replica.view.appliedIndex;
    const ask = (text: string) => {
      const request = { ...NODE, tokenId, secretHash: hashJoinSecret(text) };
      return fake.settle(join(fake.context, fake.caller, request));
    };

    const guessed = await ask("guess");
    const after = fake.context.replica.view.appliedIndex;
    const joined = await ask(secret);
    const again = await ask(secret);

    expect(guessed).toMatchObject({ ok: false, error: { code: "forbidden" } });
    expect(after).toBe(before);
    expect(joined).toMatchObject({ ok: true, value: { nodeId: "n2", peerId: 2, role: "server" } });
    expect(again).toEqual(joined);
  });

  test("is refused with a revoked token, and to a node that is no proper name", async () => {
    const fake = await start();
    const { id: tokenId, secret } = await tokenOf(fake);
    const secretHash = hashJoinSecret(secret);

    const strange = { ...NODE, tokenId, secretHash, rpcAddress: "nowhere\n" };
    const bad = await fake.settle(join(fake.context, fake.caller, strange));
    await fake.settle(revokeJoinToken(fake.context, fake.caller, { tokenId }));
    const revoked = await fake.settle(
      join(fake.context, fake.caller, { ...NODE, tokenId, secretHash }),
    );

    expect(bad).toMatchObject({ ok: false, error: { code: "invalid_argument" } });
    expect(revoked).toMatchObject({ error: { message: "this join token was revoked" } });
  });
});

describe("leaving", () => {
  test("of the last voter, and of a name that is not there, is refused with what to do", async () => {
    const fake = await start();
    const leave = (nodeId: string) =>
      fake.settle(removeMember(fake.context, fake.caller, { nodeId, deadlineMillis: 0 }));

    expect(await leave("n1")).toMatchObject({ ok: false, error: { code: "wrong_state" } });
    expect(await leave("n11")).toMatchObject({
      error: { code: "not_found", hint: "did you mean n1?" },
    });
  });

  test("that would cost the quorum is refused, and a dead one may leave", async () => {
    const fake = await start(3);
    const others = fake.cluster.nodes.filter(({ nodeId }) => nodeId !== fake.context.nodeId);
    const [dead, living] = others;
    if (dead === undefined || living === undefined) throw new Error("three nodes");
    fake.cluster.network.cut(dead.peerId);
    fake.cluster.world.advance(5_000);
    const leave = (nodeId: string) =>
      fake.settle(removeMember(fake.context, fake.caller, { nodeId, deadlineMillis: 0 }));

    expect(await leave(living.nodeId)).toMatchObject({ ok: false, error: { code: "wrong_state" } });
    expect(await leave(dead.nodeId)).toMatchObject({ ok: true });
    const listed = await fake.settle(listMembers(fake.context, fake.caller, {}));
    const member = listed.ok && listed.value.members.find(({ nodeId }) => nodeId === dead.nodeId);
    expect(member).toMatchObject({ seat: "leaving", active: false });
  });
});
