import { describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import type { NodeId, UnixMillis } from "../lib/ids.ts";
import { certifyNode, createAuthority, createNodeRequest } from "./certificates.ts";
import { identify } from "./identity.ts";
import {
  formatJoinToken,
  hashJoinSecret,
  isSameHash,
  mintJoinToken,
  parseJoinToken,
} from "./join-token.ts";

const now = Date.now() as UnixMillis;
const random = { below: (n: number) => Math.floor(Math.random() * n) };

async function authorityOf(clusterId: string) {
  const made = await createAuthority({ clusterId, now });
  if (!made.ok) throw new Error(made.error.kind);
  return made.value;
}

describe("a join token", () => {
  test("comes back as it was written, and names this CA and no other", async () => {
    const [one, other] = [await authorityOf("blue"), await authorityOf("blue")];

    const token = mintJoinToken(random, one.certificatePem);

    expect(parseJoinToken(` ${formatJoinToken(token)}\n`)).toEqual(token);
    expect(mintJoinToken(random, other.certificatePem).caFingerprint).not.toBe(token.caFingerprint);
  });

  test("that was cut or changed is none", async () => {
    const text = formatJoinToken(mintJoinToken(random, (await authorityOf("blue")).certificatePem));

    for (const bad of [text.slice(0, -1), text.slice(1), text.replace(".", ""), `${text}x`, ""]) {
      expect(parseJoinToken(bad)).toBeNull();
    }
  });

  test("its secret is compared by its hash", () => {
    expect(isSameHash(hashJoinSecret("a"), hashJoinSecret("a"))).toBe(true);
    expect(isSameHash(hashJoinSecret("a"), hashJoinSecret("b"))).toBe(false);
    expect(isSameHash(hashJoinSecret("a"), "")).toBe(false);
  });
});

describe("a certificate request", () => {
  const names = { nodeId: "n4" as NodeId, addresses: ["10.0.0.4"], now };

  test("gives its key the name that the cluster chose, whatever it asks for", async () => {
    const authority = await authorityOf("blue");
    const { requestPem, keyPem } = await createNodeRequest();

    const issued = await certifyNode(authority, { ...names, requestPem });
    if (!issued.ok) throw new Error(issued.error.kind);

    const certificate = new X509Certificate(issued.value);
    const { createPrivateKey } = await import("node:crypto");
    expect(identify(certificate.raw, "blue")).toEqual({
      ok: true,
      value: { kind: "node", nodeId: "n4" as NodeId },
    });
    expect(certificate.checkPrivateKey(createPrivateKey(keyPem))).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.certificatePem).publicKey)).toBe(true);
  });

  test("that its sender did not sign is refused, and so is rubbish", async () => {
    const authority = await authorityOf("blue");
    const { requestPem } = await createNodeRequest();
    const der = Buffer.from(requestPem.replaceAll(/-----[A-Z ]+-----|\s/g, ""), "base64");
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    const line = der.toString("base64");
    const label = "CERTIFICATE REQUEST";
    const forged = `-----BEGIN ${label}-----\n${line}\n-----END ${label}-----`;

    for (const bad of [forged, "rubbish", ""]) {
      const issued = await certifyNode(authority, { ...names, requestPem: bad });
      expect(issued).toMatchObject({ ok: false, error: { kind: "bad-request" } });
    }
  });
});
