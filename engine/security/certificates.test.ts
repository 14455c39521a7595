import { describe, expect, test } from "bun:test";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipped } from "../../tests/support/harm.ts";
import { seeded } from "../../tests/support/seeded.ts";
import type { NodeId, UnixMillis } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import {
  CERTIFICATE_FILES,
  loadAuthority,
  loadClientIdentity,
  loadNodeIdentity,
  saveAuthority,
  saveIdentity,
  type TlsIdentity,
} from "./certificate-files.ts";
import { createAuthority, issueClientCertificate, issueNodeCertificate } from "./certificates.ts";
import { formatPrincipal, identify, parsePrincipal } from "./identity.ts";

const now = 1_800_000_000_000 as UnixMillis;
const n1 = "n1" as NodeId;

describe("certificates", () => {
  test("name a node to the members of its cluster only", async () => {
    const authority = value(await createAuthority({ clusterId: "blue", now }));

    const node = value(
      await issueNodeCertificate(authority, { nodeId: n1, addresses: ["10.0.0.1", "web"], now }),
    );

    expect(identify(der(node.certificatePem), "blue")).toEqual({
      ok: true,
      value: { kind: "node", nodeId: n1 },
    });
    expect(identify(der(node.certificatePem), "red")).toEqual({
      ok: false,
      error: { kind: "other-cluster", clusterId: "blue" },
    });
    const certificate = new X509Certificate(node.certificatePem);
    for (const host of ["node-n1", "nl-cluster", "localhost", "web"]) {
      expect(certificate.checkHost(host)).toBe(host);
    }
    expect(certificate.checkIP("10.0.0.1")).toBe("10.0.0.1");
    expect(certificate.verify(new X509Certificate(authority.certificatePem).publicKey)).toBe(true);
  });

  test("name a user with its role, and can never pass as a node", async () => {
    const authority = value(await createAuthority({ clusterId: "blue", now }));

    const client = value(
      await issueClientCertificate(authority, { user: "alice", role: "submitter", now }),
    );

    expect(identify(der(client.certificatePem), "blue")).toEqual({
      ok: true,
      value: { kind: "user", name: "alice", role: "submitter" },
    });
    expect(new X509Certificate(client.certificatePem).keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  });

  test("are valid from five minutes ago: a year for leaves, ten for the authority", async () => {
    const authority = value(await createAuthority({ clusterId: "blue", now }));
    const node = value(await issueNodeCertificate(authority, { nodeId: n1, addresses: [], now }));
    const days = (pem: string) => {
      const { validFromDate, validToDate } = new X509Certificate(pem);
      expect(validFromDate.getTime()).toBe(now - 300_000);
      return (validToDate.getTime() - now) / 86_400_000;
    };

    expect(days(authority.certificatePem)).toBe(3650);
    expect(days(node.certificatePem)).toBe(365);
  });

  test("are refused names that would need escaping in a URI, a path or a DNS label", async () => {
    const authority = value(await createAuthority({ clusterId: "blue", now }));

    for (const name of ["", "a/b", "n1,URI:x", "N1", "..", "é", "a".repeat(64)]) {
      const nodeId = name as NodeId;
      expect(await issueNodeCertificate(authority, { nodeId, addresses: [], now })).toEqual({
        ok: false,
        error: { kind: "invalid-name", name },
      });
    }
  });
});

describe("certificate files", () => {
  test("come back as they were written, readable by their owner only", async () => {
    await inDirectory(async (directory) => {
      const authority = value(await createAuthority({ clusterId: "blue", now }));
      const node = value(await issueNodeCertificate(authority, { nodeId: n1, addresses: [], now }));
      const identity = { ...node, caPem: authority.certificatePem };

      value(await saveAuthority(directory, authority));
      value(await saveIdentity(directory, "node", identity));

      expect(value(await loadAuthority(directory, now))).toEqual(authority);
      expect(value(await loadNodeIdentity(directory, now))).toEqual(identity);
      for (const holder of ["ca", "node"] as const) {
        for (const name of Object.values(CERTIFICATE_FILES[holder])) {
          expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
        }
      }
    });
  });

  test("that are missing, mixed up, expired or broken are refused by name", async () => {
    await inDirectory(async (directory) => {
      const authority = value(await createAuthority({ clusterId: "blue", now }));
      const other = value(await createAuthority({ clusterId: "blue", now }));
      const issue = async () =>
        value(await issueClientCertificate(authority, { user: "bob", role: "viewer", now }));
      const [first, second] = [await issue(), await issue()];
      const caPem = authority.certificatePem;
      const late = (now + 400 * 86_400_000) as UnixMillis;
      const path = join(directory, "client.pem");
      const kindAfter = async (identity: typeof first & { caPem: string }, at = now) => {
        value(await saveIdentity(directory, "client", identity));
        const loaded = await loadClientIdentity(directory, at);
        return loaded.ok ? null : loaded.error;
      };

      expect(await loadClientIdentity(directory, now)).toMatchObject({
        ok: false,
        error: { kind: "unreadable", path },
      });
      expect(await kindAfter({ ...first, caPem })).toBeNull();
      expect(await kindAfter({ ...first, caPem }, late)).toMatchObject({ kind: "expired", path });
      expect(await kindAfter({ ...first, keyPem: second.keyPem, caPem })).toMatchObject({
        kind: "key-mismatch",
      });
      expect(await kindAfter({ ...first, caPem: other.certificatePem })).toMatchObject({
        kind: "other-authority",
        path,
      });
      expect(await kindAfter({ certificatePem: "x", keyPem: "y", caPem })).toMatchObject({
        kind: "malformed",
        path,
      });
    });
  });
});

describe("a flipped bit of a certificate file", () => {
  const FLIPS = 200;

  for (const name of ["ca.pem", "node.pem", "node-key.pem"]) {
    test(`in ${name} is refused by name, or changes nothing (${FLIPS} places)`, async () => {
      await inDirectory(async (directory) => {
        const authority = value(await createAuthority({ clusterId: "blue", now }));
        const issued = await issueNodeCertificate(authority, { nodeId: n1, addresses: [], now });
        const identity = { ...value(issued), caPem: authority.certificatePem };
        value(await saveIdentity(directory, "node", identity));
        const path = join(directory, name);
        const original = new Uint8Array(await readFile(path));
        const draw = seeded(20_261_128);

        let refused = 0;
        for (let at = 0; at < FLIPS; at++) {
          const { bytes } = flipped(original, draw);
          await writeFile(path, bytes ?? "");
          const loaded = await loadNodeIdentity(directory, now);
          if (!loaded.ok) refused += 1;
          else expect(bytesOf(loaded.value)).toEqual(bytesOf(identity));
        }

        expect(refused).toBeGreaterThan(FLIPS * 0.9);
      });
    });
  }

  const bytesOf = ({ caPem, certificatePem, keyPem }: TlsIdentity) => [
    Buffer.from(der(caPem)),
    Buffer.from(der(certificatePem)),
    createPrivateKey(keyPem).export({ format: "jwk" }),
  ];
});

describe("principals", () => {
  test("survive the trip through text, and other texts are refused", () => {
    const node = { kind: "node", nodeId: n1 } as const;
    const user = { kind: "user", name: "alice", role: "operator" } as const;

    for (const principal of [node, user]) {
      expect(parsePrincipal(formatPrincipal(principal))).toEqual(principal);
    }
    for (const text of [
      "",
      "node/",
      "node/n1:admin",
      "user/alice",
      "user/a:root",
      "user/a/b:admin",
    ]) {
      expect(parsePrincipal(text)).toBeNull();
    }
  });
});

const der = (pem: string): Uint8Array => new X509Certificate(pem).raw;

function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "nl-certificates-"));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
