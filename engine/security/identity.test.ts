import "reflect-metadata";
import { describe, expect, test } from "bun:test";
import type { GeneralNameType, JsonName } from "@peculiar/x509";
import type { NodeId } from "../lib/ids.ts";
import { readDer } from "./der.ts";
import { identify, identifyCaller } from "./identity.ts";

const x509 = await import("@peculiar/x509");
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
const node = "spiffe://blue/node/n1";

describe("identify", () => {
  test("takes the one SPIFFE name from the extension, not from the joined string", async () => {
    expect(await identifyNames([url(node), dns("web")])).toEqual({
      ok: true,
      value: { kind: "node", nodeId: "n1" as NodeId },
    });
    expect((await identifyNames([dns(`web, URI:${node}`)])).ok).toBe(false);
  });

  test("refuses a certificate with no name, two names, or a name of another shape", async () => {
    const refused: readonly (readonly Name[])[] = [
      [],
      [dns("node-n1")],
      [url(node), url(node)],
      [url(node), url("https://example.org/")],
      [url("spiffe://blue/node/n1/x")],
      [url("spiffe://blue/node/")],
      [url("spiffe://blue/admin/n1")],
      [url("spiffe://blue/node/N1")],
      [url("spiffe://blue/node/%6e1")],
      [url("https://blue/node/n1")],
      [url(`${node}?x`)],
    ];

    for (const names of refused) {
      expect(await identifyNames(names)).toMatchObject({
        ok: false,
        error: { kind: "not-an-identity" },
      });
    }
  });

  test("refuses two subject alternative name extensions", async () => {
    const san = new x509.SubjectAlternativeNameExtension([url(node)]);
    const der = await certificate([{ CN: ["n1"] }], [san, san]);

    expect(identify(der, "blue")).toMatchObject({ error: { kind: "malformed-certificate" } });
  });

  test("gives a user the role of its organizational unit, and exactly one", async () => {
    const names = [url("spiffe://blue/user/alice")];
    const roleOf = async (units: readonly string[]) => {
      const subject = [{ CN: ["alice"] }, ...units.map((unit) => ({ OU: [unit] }))];
      const result = await identifyNames(names, subject);
      return result.ok && result.value.kind === "user" ? result.value.role : null;
    };

    expect(await roleOf(["operator"])).toBe("operator");
    expect(await roleOf([])).toBeNull();
    expect(await roleOf(["root"])).toBeNull();
    expect(await roleOf(["viewer", "admin"])).toBeNull();
  });

  test("refuses a caller without a certificate", () => {
    expect(identifyCaller({}, "blue")).toEqual({ ok: false, error: { kind: "no-certificate" } });
  });

  test("remembers a connection's certificate, but not for another cluster", async () => {
    const san = new x509.SubjectAlternativeNameExtension([url(node)]);
    const raw = await certificate([{ CN: ["n1"] }], [san]);
    const auth = { sslPeerCertificate: { raw } };

    const first = identifyCaller(auth, "blue");

    expect(first.ok).toBe(true);
    expect(identifyCaller(auth, "blue")).toBe(first);
    expect(identifyCaller(auth, "green")).toMatchObject({ error: { kind: "other-cluster" } });
    expect(identifyCaller(auth, "blue")).toEqual(first);
  });

  test("is total: truncated or changed anywhere, it gives a value, never an exception", async () => {
    const san = new x509.SubjectAlternativeNameExtension([url(node)]);
    const der = await certificate([{ CN: ["n1"] }], [san]);

    for (let i = 0; i < der.length; i++) {
      expect(identify(der.subarray(0, i), "blue").ok).toBe(false);
      const flipped = der.slice();
      flipped[i] = (flipped[i] ?? 0) ^ 0xff;
      expect(typeof identify(flipped, "blue").ok).toBe("boolean");
    }
  });
});

describe("readDer", () => {
  test("refuses what is not DER", () => {
    const refused = [
      [0x30],
      [0x30, 0x02, 0x00],
      [0x30, 0x80, 0x00, 0x00],
      [0x30, 0x81, 0x01, 0x00],
      [0x30, 0x82, 0x00, 0x81, ...new Array(0x81).fill(0)],
      [0x1f, 0x81, 0x01, 0x00],
      [0x30, 0x84, 0, 0, 0, 1, 0],
    ];

    for (const bytes of refused) expect(readDer(Uint8Array.from(bytes))).toBeNull();
    expect(readDer(Uint8Array.from([0x04, 0x81, 0x80, ...new Array(0x80).fill(7)]))).toHaveLength(
      1,
    );
  });
});

type Name = { readonly type: GeneralNameType; readonly value: string };

const url = (value: string): Name => ({ type: "url", value });
const dns = (value: string): Name => ({ type: "dns", value });

async function identifyNames(names: readonly Name[], subject: JsonName = [{ CN: ["n1"] }]) {
  const extensions =
    names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])];
  const basic = new x509.BasicConstraintsExtension(false);
  return identify(await certificate(subject, [basic, ...extensions]), "blue");
}

async function certificate(
  name: JsonName,
  extensions: InstanceType<typeof x509.Extension>[],
): Promise<Uint8Array> {
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return new Uint8Array(made.rawData);
}
