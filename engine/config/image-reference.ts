const LENGTH_MAX = 255;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::\d{1,5})?$/;
const PATH_PART = /^[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,128}$/;

/**
 * What is wrong with an image name, as the end of "the image …"; null when nothing is. The grammar
 * of the OCI distribution reference. The first character rules out anything that a command line
 * would read as an option.
 */
export function imageFault(image: string): string | null {
  if (image.length > LENGTH_MAX) return `is longer than ${LENGTH_MAX} characters`;
  if (!/^[A-Za-z0-9]/.test(image)) return "must start with a letter or a digit";
  if (/\s/.test(image)) return "must not contain spaces";
  const { rest, tag, digest } = cut(image);
  if (digest !== null && !DIGEST.test(digest)) return "has a malformed digest after @";
  if (tag !== null && !TAG.test(tag)) return "has a malformed tag after the last colon";
  return pathFault(rest.split("/"));
}

/** Takes off the digest, then the tag: a colon before the last slash belongs to a port. */
function cut(image: string): {
  readonly rest: string;
  readonly tag: string | null;
  readonly digest: string | null;
} {
  const at = image.indexOf("@");
  const digest = at === -1 ? null : image.slice(at + 1);
  const named = at === -1 ? image : image.slice(0, at);
  const colon = named.lastIndexOf(":");
  if (colon <= named.lastIndexOf("/")) return { rest: named, tag: null, digest };
  return { rest: named.slice(0, colon), tag: named.slice(colon + 1), digest };
}

function pathFault(parts: readonly string[]): string | null {
  const [first = "", ...others] = parts;
  const isHost = others.length > 0 && /[.:A-Z]|^localhost$/.test(first);
  if (isHost && !HOST.test(first)) return "has a malformed registry host";
  const path = isHost ? others : parts;
  if (path.some((part) => /[A-Z]/.test(part))) return "must be in lower case before the tag";
  if (!path.every((part) => PATH_PART.test(part))) return "is not a valid image reference";
  return null;
}
