/** One element of DER: its tag and where its contents lie. */
export type DerElement = {
  readonly tag: number;
  /** Contents without tag and length. */
  readonly contents: Uint8Array;
};

/** More than any certificate of ours has; bounds the work on a hostile one. */
const ELEMENTS_MAX = 256;
/** A length of length above this would be 16 MiB of certificate. */
const LENGTH_BYTES_MAX = 3;

/**
 * Splits `bytes` into its consecutive DER elements (X.690 §8.1, §10.1). Null when it is not DER:
 * indefinite or padded lengths, long tags, a length past the end. Never throws.
 */
export function readDer(bytes: Uint8Array): readonly DerElement[] | null {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (elements.length === ELEMENTS_MAX) return null;
    const header = readHeader(bytes, offset);
    if (header === null) return null;
    const end = header.start + header.length;
    if (end > bytes.length) return null;
    elements.push({ tag: header.tag, contents: bytes.subarray(header.start, end) });
    offset = end;
  }
  return elements;
}

type Header = { readonly tag: number; readonly start: number; readonly length: number };

function readHeader(bytes: Uint8Array, offset: number): Header | null {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) return null;
  if ((tag & 0x1f) === 0x1f) return null;
  if (first < 0x80) return { tag, start: offset + 2, length: first };
  const lengthBytes = first & 0x7f;
  if (lengthBytes === 0 || lengthBytes > LENGTH_BYTES_MAX) return null;
  const start = offset + 2 + lengthBytes;
  if (start > bytes.length) return null;
  let length = 0;
  for (const byte of bytes.subarray(offset + 2, start)) length = length * 256 + byte;
  const shortest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8);
  return shortest === lengthBytes ? { tag, start, length } : null;
}
