/**
 * A copy that shares nothing that can change. Bytes are shared: nobody in this folder or around it
 * changes them once they are given away.
 */
export function copyPlain<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return copyObject(value) as T;
}

function copyObject(value: object): object {
  if (Array.isArray(value)) return value.map(copyPlain);
  if (value instanceof Map) {
    return new Map([...value].map(([key, held]) => [key, copyPlain(held)]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, copyPlain(held)]));
}
