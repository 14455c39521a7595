import { nlError } from "../engine/lib/error-code.ts";
import { NlFailure } from "./nl-failure.ts";

/** What the system's error codes mean, and what helps. */
const MEANINGS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EACCES: ["permission denied", "check who owns it, or name another place"],
  EPERM: ["not permitted", "check who owns it, or name another place"],
  EROFS: ["the file system is read-only", "name another place"],
  ENOSPC: ["no space left on the device", "make room, then try again"],
  EDQUOT: ["the disk quota is used up", "make room, then try again"],
  ENOTDIR: ["a part of the path is a file", "name another place"],
  EISDIR: ["it is a directory", "name a file"],
  EEXIST: ["something is there already", "name another place"],
  ENOENT: ["it does not exist", "check the path"],
  ELOOP: ["too many symbolic links", "check the path"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one"],
  EMFILE: ["too many open files", "raise the limit: ulimit -n"],
  ENFILE: ["too many open files on this machine", "end what holds them"],
  ENOMEM: ["not enough memory", "end what holds it, then try again"],
  EAGAIN: ["too many processes", "raise the limit: ulimit -u"],
  EIO: ["the disk failed", "check it before anything else"],
};

/** What an error of the system means, in a few words. */
export function whyNot(cause: unknown): string {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return MEANINGS[code]?.[0] ?? (code === "" ? String(cause) : code);
}

/** A refusal when this is an error of the system that has a meaning for people; else null. */
export function fsFailure(cause: unknown): NlFailure | null {
  if (!(cause instanceof Error)) return null;
  const {
    code = "",
    path,
    dest,
    syscall = "",
  } = cause as NodeJS.ErrnoException & {
    readonly dest?: string;
  };
  const meaning = MEANINGS[code];
  if (meaning === undefined) return null;
  const [what, hint] = meaning;
  const where = dest ?? path;
  const subject = where === undefined ? syscall : where;
  return new NlFailure(nlError("refused", `${subject}: ${what} (${code})`, hint));
}
