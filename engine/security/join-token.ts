import { createHash, timingSafeEqual, X509Certificate } from "node:crypto";
import type { Random } from "../platform/random.ts";

/**
 * What lets a node in, `id.secret.caFingerprint`: who holds it may join, and can tell the cluster
 * from an impostor before saying the secret. The log knows the hash of the secret only.
 */
export type JoinTokenParts = {
  readonly id: string;
  readonly secret: string;
  /** SHA-256 of the CA's certificate, base64url. */
  readonly caFingerprint: string;
};

const ID_LENGTH = 8;
const SECRET_LENGTH = 40;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TOKEN = /^([0-9a-hjkmnp-tv-z]{8})\.([0-9a-hjkmnp-tv-z]{40})\.([A-Za-z0-9_-]{43})$/;

/** 200 random bits of secret. */
export function mintJoinToken(random: Random, caPem: string): JoinTokenParts {
  return {
    id: randomWord(random, ID_LENGTH),
    secret: randomWord(random, SECRET_LENGTH),
    caFingerprint: caFingerprint(caPem),
  };
}

export const formatJoinToken = ({ id, secret, caFingerprint: print }: JoinTokenParts): string =>
  `${id}.${secret}.${print}`;

/** Null when the text is no token: cut short while copying, most likely. */
export function parseJoinToken(text: string): JoinTokenParts | null {
  const [, id = "", secret = "", print = ""] = TOKEN.exec(text.trim()) ?? [];
  return id === "" ? null : { id, secret, caFingerprint: print };
}

/** Lower-case hex. The secret is long and random, so that no slow hash is needed. */
export const hashJoinSecret = (secret: string): string =>
  createHash("sha256").update(secret).digest("hex");

/** In a time that tells nothing of where they differ. */
export function isSameHash(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}

export const caFingerprint = (caPem: string): string =>
  createHash("sha256").update(new X509Certificate(caPem).raw).digest("base64url");

const randomWord = (random: Random, length: number): string =>
  Array.from({ length }, () => ALPHABET[random.below(ALPHABET.length)] ?? "").join("");
