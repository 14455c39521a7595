import { dlopen, FFIType, ptr } from "bun:ffi";
import { assert } from "../lib/assert.ts";

/**
 * What Bun does not offer: real pipes (its own are sockets, so `echo x >/dev/stderr` would fail
 * in a task) and a file lock that the kernel drops when its holder dies.
 */
type Libc = {
  pipe2(ends: ReturnType<typeof ptr>, flags: number): number;
  flock(fd: number, operation: number): number;
};

const CANDIDATES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const SYMBOLS = {
  pipe2: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
} as const;

const O_CLOEXEC = 0o2000000;
const LOCK_EX_NB = 2 | 4;

let loaded: Libc | null = null;

/** A pipe whose ends are closed in every child that was not given them. */
export function createPipe(): { readonly readFd: number; readonly writeFd: number } {
  const ends = new Int32Array(2);
  const status = libc().pipe2(ptr(ends), O_CLOEXEC);
  assert(status === 0, "the kernel gives a pipe: the process is out of file descriptors");
  return { readFd: ends[0] ?? -1, writeFd: ends[1] ?? -1 };
}

/** False: another process holds it. The lock ends with the file descriptor, also after kill -9. */
export function tryLock(fd: number): boolean {
  return libc().flock(fd, LOCK_EX_NB) === 0;
}

function libc(): Libc {
  loaded ??= open();
  return loaded;
}

function open(): Libc {
  for (const name of CANDIDATES) {
    try {
      return dlopen(name, SYMBOLS).symbols;
    } catch {
      // Another C library: the next name.
    }
  }
  throw new Error(
    `no C library found, tried ${CANDIDATES.join(", ")}: nl runs tasks on Linux only`,
  );
}
