import { createPrivateKey, sign, verify, X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Authority, KeyedCertificate } from "./certificates.ts";

/** What a process needs to prove who it is and to check the others. */
export type TlsIdentity = KeyedCertificate & { readonly caPem: string };

export type CertificateFileError =
  | { readonly kind: "unreadable"; readonly path: string; readonly detail: string }
  | { readonly kind: "malformed"; readonly path: string }
  | { readonly kind: "expired"; readonly path: string; readonly at: UnixMillis }
  | { readonly kind: "key-mismatch"; readonly path: string }
  | { readonly kind: "other-authority"; readonly path: string };

export const CERTIFICATE_FILES = {
  ca: { certificate: "ca.pem", key: "ca-key.pem" },
  node: { certificate: "node.pem", key: "node-key.pem" },
  client: { certificate: "client.pem", key: "client-key.pem" },
} as const;

export const certificateDirectory = (nodeDirectory: string): string => join(nodeDirectory, "certs");

type Holder = keyof typeof CERTIFICATE_FILES;

/** Writes `ca.pem` and `ca-key.pem`. Servers hold the key; workers never get it. */
export const saveAuthority = (
  directory: string,
  authority: Authority,
): Promise<Result<void, CertificateFileError>> => savePair(directory, "ca", authority);

/** Writes the node's or client's pair and the CA's certificate beside it. */
export async function saveIdentity(
  directory: string,
  holder: "node" | "client",
  identity: TlsIdentity,
): Promise<Result<void, CertificateFileError>> {
  const ca = await save(directory, CERTIFICATE_FILES.ca.certificate, identity.caPem);
  return ca.ok ? savePair(directory, holder, identity) : ca;
}

/** Reads the CA with its key, and checks that they belong together. */
export async function loadAuthority(
  directory: string,
  now: UnixMillis,
): Promise<Result<Authority, CertificateFileError>> {
  const pair = await loadPair(directory, "ca", now);
  if (!pair.ok) return pair;
  const subject = new X509Certificate(pair.value.certificatePem).subject;
  const clusterId = /^O=(.+)$/m.exec(subject)?.[1];
  if (clusterId === undefined) return err({ kind: "malformed", path: join(directory, "ca.pem") });
  return ok({ ...pair.value, clusterId });
}

/** Reads the node's pair with the CA, and checks that all three belong together. */
export const loadNodeIdentity = (
  directory: string,
  now: UnixMillis,
): Promise<Result<TlsIdentity, CertificateFileError>> => loadIdentity(directory, "node", now);

export const loadClientIdentity = (
  directory: string,
  now: UnixMillis,
): Promise<Result<TlsIdentity, CertificateFileError>> => loadIdentity(directory, "client", now);

async function loadIdentity(
  directory: string,
  holder: "node" | "client",
  now: UnixMillis,
): Promise<Result<TlsIdentity, CertificateFileError>> {
  const pair = await loadPair(directory, holder, now);
  if (!pair.ok) return pair;
  const caPath = join(directory, CERTIFICATE_FILES.ca.certificate);
  const caPem = await read(caPath);
  if (!caPem.ok) return caPem;
  const ca = parse(caPem.value);
  const leaf = parse(pair.value.certificatePem);
  // It vouches for itself: the only way to notice that a bit of it has rotted.
  if (ca === null || !isSignedBy(ca, ca)) return err({ kind: "malformed", path: caPath });
  if (leaf === null || !isSignedBy(leaf, ca)) {
    const path = join(directory, CERTIFICATE_FILES[holder].certificate);
    return err({ kind: "other-authority", path });
  }
  return ok({ ...pair.value, caPem: caPem.value });
}

async function loadPair(
  directory: string,
  holder: Holder,
  now: UnixMillis,
): Promise<Result<KeyedCertificate, CertificateFileError>> {
  const path = join(directory, CERTIFICATE_FILES[holder].certificate);
  const keyPath = join(directory, CERTIFICATE_FILES[holder].key);
  const certificatePem = await read(path);
  if (!certificatePem.ok) return certificatePem;
  const keyPem = await read(keyPath);
  if (!keyPem.ok) return keyPem;
  const certificate = parse(certificatePem.value);
  if (certificate === null) return err({ kind: "malformed", path });
  const at = certificate.validToDate.getTime() as UnixMillis;
  if (at <= now) return err({ kind: "expired", path, at });
  const matches = belongs(certificate, keyPem.value);
  if (matches === null) return err({ kind: "malformed", path: keyPath });
  if (!matches) return err({ kind: "key-mismatch", path: keyPath });
  return ok({ certificatePem: certificatePem.value, keyPem: keyPem.value });
}

async function savePair(
  directory: string,
  holder: Holder,
  pair: KeyedCertificate,
): Promise<Result<void, CertificateFileError>> {
  // The key first: a certificate without its key would look like a finished pair.
  const key = await save(directory, CERTIFICATE_FILES[holder].key, pair.keyPem);
  if (!key.ok) return key;
  return save(directory, CERTIFICATE_FILES[holder].certificate, pair.certificatePem);
}

/** A file is there whole or not at all, and never readable by others, not even for a moment. */
async function save(
  directory: string,
  name: string,
  text: string,
): Promise<Result<void, CertificateFileError>> {
  const path = join(directory, name);
  const temporary = `${path}.new`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(temporary, text, { mode: 0o600 });
    await chmod(temporary, 0o600);
    await rename(temporary, path);
    return ok(undefined);
  } catch (error) {
    return err({ kind: "unreadable", path, detail: messageOf(error) });
  }
}

async function read(path: string): Promise<Result<string, CertificateFileError>> {
  try {
    return ok(await readFile(path, "utf8"));
  } catch (error) {
    return err({ kind: "unreadable", path, detail: messageOf(error) });
  }
}

function parse(certificatePem: string): X509Certificate | null {
  try {
    return new X509Certificate(certificatePem);
  } catch {
    return null;
  }
}

/** Also false when one of them is too rotten to be looked at. */
function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    return false;
  }
}

const PROBE = new TextEncoder().encode("does this key belong to its certificate?");

/** By a signature: a key with a rotten secret still carries the public half that it had. */
function belongs(certificate: X509Certificate, keyPem: string): boolean | null {
  try {
    const signature = sign("sha256", PROBE, createPrivateKey(keyPem));
    return verify("sha256", PROBE, certificate.publicKey, signature);
  } catch {
    return null;
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
