import { isIP } from "node:net";
import type { X509CertificateGenerator } from "@peculiar/x509";
import type { NodeId, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { isName, type Role } from "./identity.ts";
import { CLUSTER_SERVER_NAME, nodeServerName } from "./server-name.ts";

/** A certificate and its private key, both PEM. */
export type KeyedCertificate = { readonly certificatePem: string; readonly keyPem: string };

/** A cluster's certificate authority: whoever holds it can make nodes and users. */
export type Authority = KeyedCertificate & { readonly clusterId: string };

export type NameError = { readonly kind: "invalid-name"; readonly name: string };

export type RequestError = { readonly kind: "bad-request"; readonly detail: string };

type X509 = typeof import("@peculiar/x509");
type CreateParams = Parameters<typeof X509CertificateGenerator.create>[0];
type Extensions = NonNullable<CreateParams["extensions"]>;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MILLIS = 24 * 60 * 60 * 1000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
/** So that a machine whose clock is a little behind accepts a new certificate. */
const BACKDATED_MILLIS = 5 * 60 * 1000;

/** Makes the CA of a new cluster: ECDSA P-256, 10 years, may sign leaves only. */
export async function createAuthority(options: {
  readonly clusterId: string;
  readonly now: UnixMillis;
}): Promise<Result<Authority, NameError>> {
  const { clusterId, now } = options;
  if (!isName(clusterId)) return err({ kind: "invalid-name", name: clusterId });
  const x509 = await loadX509();
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["nl cluster authority"] }, { O: [clusterId] }],
    keys,
    signingAlgorithm: ALGORITHM,
    serialNumber: serialNumber(),
    ...validity(now, AUTHORITY_DAYS),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return ok({ clusterId, certificatePem: pem(certificate), keyPem: await privatePem(keys) });
}

/**
 * A node's certificate, for both ends of a connection. `addresses` are the hosts (names or IP
 * literals, no ports) under which it is reached; its identity is the SPIFFE URI alone.
 */
export async function issueNodeCertificate(
  authority: Authority,
  node: NodeNames,
): Promise<Result<KeyedCertificate, NameError>> {
  if (!isName(node.nodeId)) return err({ kind: "invalid-name", name: node.nodeId });
  return ok(await issueKeyed(authority, await nodeLeaf(authority, node)));
}

/** What a node that joins sends to be certified; its key never leaves it. */
export async function createNodeRequest(): Promise<{
  readonly requestPem: string;
  readonly keyPem: string;
}> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { requestPem: pem(request), keyPem: await privatePem(keys) };
}

/**
 * Certifies the key of a request under the names that the cluster has chosen: of the request, only
 * the key counts, and the proof that its sender holds it.
 */
export async function certifyNode(
  authority: Authority,
  node: NodeNames & { readonly requestPem: string },
): Promise<Result<string, NameError | RequestError>> {
  if (!isName(node.nodeId)) return err({ kind: "invalid-name", name: node.nodeId });
  const publicKey = await readRequest(node.requestPem);
  if (!publicKey.ok) return publicKey;
  return ok(await issueLeaf(authority, await nodeLeaf(authority, node), publicKey.value));
}

type NodeNames = {
  readonly nodeId: NodeId;
  readonly addresses: readonly string[];
  readonly now: UnixMillis;
};

/** A hostile request costs one failed parse: its size is limited by who received it. */
async function readRequest(requestPem: string): Promise<Result<CryptoKey, RequestError>> {
  const x509 = await loadX509();
  try {
    const request = new x509.Pkcs10CertificateRequest(requestPem);
    const publicKey = await request.publicKey.export(ALGORITHM, ["verify"]);
    if (await request.verify()) return ok(publicKey);
    return err({ kind: "bad-request", detail: "its signature does not belong to its key" });
  } catch (cause) {
    return err({ kind: "bad-request", detail: `not an ECDSA P-256 request (${String(cause)})` });
  }
}

async function nodeLeaf(authority: Authority, node: NodeNames): Promise<Leaf> {
  const x509 = await loadX509();
  const hosts = [nodeServerName(node.nodeId), CLUSTER_SERVER_NAME, "localhost", "127.0.0.1"];
  const names = [...new Set([...hosts, ...node.addresses])].map((host) =>
    isIP(host) === 0
      ? ({ type: "dns", value: host } as const)
      : ({ type: "ip", value: host } as const),
  );
  const uri = `spiffe://${authority.clusterId}/node/${node.nodeId}`;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  return {
    now: node.now,
    subject: [{ CN: [node.nodeId] }, { O: [authority.clusterId] }],
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: uri }, ...names]),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
    ],
  };
}

/** A user's certificate: client only, so that it can never serve, nor pass as a node. */
export async function issueClientCertificate(
  authority: Authority,
  client: { readonly user: string; readonly role: Role; readonly now: UnixMillis },
): Promise<Result<KeyedCertificate, NameError>> {
  if (!isName(client.user)) return err({ kind: "invalid-name", name: client.user });
  const x509 = await loadX509();
  const uri = `spiffe://${authority.clusterId}/user/${client.user}`;
  const leaf: Leaf = {
    now: client.now,
    subject: [{ CN: [client.user] }, { O: [authority.clusterId] }, { OU: [client.role] }],
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: uri }]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ],
  };
  return ok(await issueKeyed(authority, leaf));
}

type Leaf = {
  readonly now: UnixMillis;
  readonly subject: Record<string, string[]>[];
  readonly extensions: Extensions;
};

async function issueKeyed(authority: Authority, leaf: Leaf): Promise<KeyedCertificate> {
  const keys = await generateKeys();
  const certificatePem = await issueLeaf(authority, leaf, keys.publicKey);
  return { certificatePem, keyPem: await privatePem(keys) };
}

async function issueLeaf(authority: Authority, leaf: Leaf, publicKey: CryptoKey): Promise<string> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: new x509.Name(leaf.subject).toJSON(),
    issuer: issuer.subject,
    publicKey,
    signingKey: await importSigningKey(authority.keyPem),
    signingAlgorithm: ALGORITHM,
    serialNumber: serialNumber(),
    ...validity(leaf.now, LEAF_DAYS),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...leaf.extensions,
    ],
  });
  return pem(certificate);
}

/** Loaded on first use: 85 ms and 20 MB that a serving node never needs. */
async function loadX509(): Promise<X509> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

const generateKeys = (): Promise<CryptoKeyPair> =>
  crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

function validity(now: UnixMillis, days: number) {
  const notBefore = new Date(now - BACKDATED_MILLIS);
  return { notBefore, notAfter: new Date(now + days * DAY_MILLIS) };
}

/** 127 random bits with the top bit clear and the next set: positive, and never shortened. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

const pem = (certificate: { toString(format: "pem"): string }): string =>
  `${certificate.toString("pem")}\n`;

async function privatePem(keys: CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}

function importSigningKey(keyPem: string): Promise<CryptoKey> {
  const base64 = keyPem.replaceAll(/-----[A-Z ]+-----|\s/g, "");
  const der = new Uint8Array(Buffer.from(base64, "base64"));
  return crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}
