import type { NodeId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type DerElement, readDer } from "./der.ts";

/** Who is calling, as its certificate (or token) says. */
export type Principal =
  | { readonly kind: "node"; readonly nodeId: NodeId }
  | { readonly kind: "user"; readonly name: string; readonly role: Role };

export const ROLES = ["admin", "operator", "submitter", "viewer"] as const;
export type Role = (typeof ROLES)[number];

export type IdentityError =
  | { readonly kind: "no-certificate" }
  | { readonly kind: "malformed-certificate"; readonly detail: string }
  | { readonly kind: "not-an-identity"; readonly detail: string }
  | { readonly kind: "other-cluster"; readonly clusterId: string };

/** The part of grpc-js's `AuthContext` that identity is read from. */
export type CallerAuth = {
  readonly sslPeerCertificate?: { readonly raw?: Uint8Array | undefined } | undefined;
};

/** Names that may stand in a SPIFFE path, a file name and a DNS label without escaping. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const SPIFFE = /^spiffe:\/\/([^/]+)\/(node|user)\/([^/]+)$/;
const CERTIFICATE_BYTES_MAX = 16 * 1024;

const TAG_SEQUENCE = 0x30;
const TAG_SET = 0x31;
const TAG_OID = 0x06;
const TAG_OCTETS = 0x04;
const TAG_EXTENSIONS = 0xa3;
const TAG_URI = 0x86;
const TEXT_TAGS: readonly number[] = [0x0c, 0x13];
const OID_SUBJECT_ALT_NAME = "551d11";
const OID_ORGANIZATIONAL_UNIT = "55040b";

export const isName = (text: string): boolean => NAME.test(text);
const isRole = (text: string): text is Role => ROLES.some((role) => role === text);

type Identified = {
  readonly clusterId: string;
  readonly result: Result<Principal, IdentityError>;
};

/** By the very bytes that one connection keeps: they are read once, not for each of its calls. */
const identified = new WeakMap<Uint8Array, Identified>();

/** Identity of a gRPC caller: from the certificate that TLS has verified, from nothing else. */
export function identifyCaller(
  auth: CallerAuth,
  clusterId: string,
): Result<Principal, IdentityError> {
  const raw = auth.sslPeerCertificate?.raw;
  if (raw === undefined) return err({ kind: "no-certificate" });
  const known = identified.get(raw);
  if (known?.clusterId === clusterId) return known.result;
  const result = identify(raw, clusterId);
  identified.set(raw, { clusterId, result });
  return result;
}

/**
 * Reads who a DER certificate names. The chain must have been verified before. Parses the SAN
 * extension itself: the joined string of TLS libraries can be forged with `, URI:` in a value.
 */
export function identify(der: Uint8Array, clusterId: string): Result<Principal, IdentityError> {
  const fields = readFields(der);
  if (!fields.ok) return fields;
  const [uri, ...others] = fields.value.uris;
  if (uri === undefined || others.length > 0) {
    return err({
      kind: "not-an-identity",
      detail: "a certificate must carry exactly one URI name",
    });
  }
  const match = SPIFFE.exec(uri);
  const [, cluster = "", kind = "", name = ""] = match ?? [];
  if (match === null || !isName(name)) {
    return err({ kind: "not-an-identity", detail: "its URI names neither a node nor a user" });
  }
  if (cluster !== clusterId) return err({ kind: "other-cluster", clusterId: cluster });
  if (kind === "node") return ok({ kind: "node", nodeId: name as NodeId });
  return userOf(name, fields.value.units);
}

/** `node/<id>` or `user/<name>:<role>`: how a principal travels in a forwarded call and a log. */
export const formatPrincipal = (principal: Principal): string =>
  principal.kind === "node"
    ? `node/${principal.nodeId}`
    : `user/${principal.name}:${principal.role}`;

/** The inverse of `formatPrincipal`; null when the text is none. */
export function parsePrincipal(text: string): Principal | null {
  const [, kind, name = "", role = ""] = /^(node|user)\/([^:/]+)(?::([a-z]+))?$/.exec(text) ?? [];
  if (!isName(name)) return null;
  if (kind === "node") return role === "" ? { kind, nodeId: name as NodeId } : null;
  return kind === "user" && isRole(role) ? { kind, name, role } : null;
}

function userOf(name: string, units: readonly string[]): Result<Principal, IdentityError> {
  const [role = "", ...others] = units;
  if (others.length > 0 || !isRole(role)) {
    return err({ kind: "not-an-identity", detail: "the user's certificate names no role" });
  }
  return ok({ kind: "user", name, role });
}

type Fields = { readonly uris: readonly string[]; readonly units: readonly string[] };

/** Certificate → TBSCertificate → subject and extensions (RFC 5280 §4.1). */
function readFields(der: Uint8Array): Result<Fields, IdentityError> {
  if (der.length > CERTIFICATE_BYTES_MAX) return malformed("it is larger than 16 KiB");
  const certificate = onlyChild(der, TAG_SEQUENCE);
  const body = certificate && readDer(certificate)?.[0];
  const parts = body?.tag === TAG_SEQUENCE ? readDer(body.contents) : null;
  // Version, serial number, algorithm, issuer, validity, subject, key, …, extensions.
  const subject = parts?.[5];
  const extensions = parts?.find((part) => part.tag === TAG_EXTENSIONS);
  if (subject?.tag !== TAG_SEQUENCE || extensions === undefined) {
    return malformed("it is not an X.509 version 3 certificate");
  }
  const uris = readUris(extensions.contents);
  const units = readUnits(subject.contents);
  return uris && units ? ok({ uris, units }) : malformed("its names cannot be read");
}

const malformed = (detail: string): Result<never, IdentityError> =>
  err({ kind: "malformed-certificate", detail });

function readUris(extensions: Uint8Array): readonly string[] | null {
  const list = onlyChild(extensions, TAG_SEQUENCE);
  const all = list && readDer(list);
  if (!all) return null;
  const names = all.map((item) => readDer(item.contents)).filter((parts) => hasOid(parts));
  if (names.length > 1) return null;
  const octets = names[0]?.findLast((part) => part.tag === TAG_OCTETS);
  if (octets === undefined) return [];
  const sequence = onlyChild(octets.contents, TAG_SEQUENCE);
  const general = sequence && readDer(sequence);
  return general?.filter((name) => name.tag === TAG_URI).map(ascii) ?? null;
}

const hasOid = (parts: readonly DerElement[] | null): boolean =>
  parts?.[0]?.tag === TAG_OID && hex(parts[0]) === OID_SUBJECT_ALT_NAME;

/** Every organizational unit of the subject: a sequence of sets of (type, value). */
function readUnits(subject: Uint8Array): readonly string[] | null {
  const sets = readDer(subject);
  if (sets === null) return null;
  const pairs = sets.map((set) =>
    set.tag === TAG_SET ? onlyChild(set.contents, TAG_SEQUENCE) : null,
  );
  const attributes = pairs.map((pair) => pair && readDer(pair));
  if (attributes.some((attribute) => attribute?.length !== 2)) return null;
  const units = attributes
    .filter((attribute) => attribute?.[0] && hex(attribute[0]) === OID_ORGANIZATIONAL_UNIT)
    .flatMap((attribute) => attribute?.[1] ?? []);
  return units.every((unit) => TEXT_TAGS.includes(unit.tag)) ? units.map(ascii) : null;
}

function onlyChild(bytes: Uint8Array, tag: number): Uint8Array | null {
  const children = readDer(bytes);
  const [child] = children ?? [];
  return children?.length === 1 && child?.tag === tag ? child.contents : null;
}

const hex = (element: DerElement): string => Buffer.from(element.contents).toString("hex");
/** Bytes outside ASCII become characters that no name of ours contains. */
const ascii = (element: DerElement): string => Buffer.from(element.contents).toString("latin1");
