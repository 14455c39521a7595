/** Calls that are allowed for some values of one argument only. */
export type ArgumentRule = {
  readonly name: string;
  readonly x64: number;
  readonly arm64: number;
  readonly argument: 0 | 1;
  readonly test:
    | { readonly kind: "one-of"; readonly values: readonly number[] }
    | { readonly kind: "none-of"; readonly values: readonly number[] }
    | { readonly kind: "no-bits"; readonly mask: number };
  readonly errno: number;
};

export const EPERM = 1;
export const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;

/** PER_LINUX and PER_LINUX32, with and without UNAME26, and the question without a change. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** Push bytes into a terminal's input; operate a virtual console. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

export const ARGUMENT_RULES: readonly ArgumentRule[] = [
  {
    name: "clone",
    ...{ x64: 56, arm64: 220, argument: 0, errno: EPERM },
    test: { kind: "no-bits", mask: NAMESPACE_FLAGS },
  },
  {
    name: "socket",
    ...{ x64: 41, arm64: 198, argument: 0, errno: EAFNOSUPPORT },
    test: { kind: "one-of", values: [AF_UNIX, AF_INET, AF_INET6] },
  },
  {
    name: "personality",
    ...{ x64: 135, arm64: 92, argument: 0, errno: EPERM },
    test: { kind: "one-of", values: PERSONALITIES },
  },
  {
    name: "ioctl",
    ...{ x64: 16, arm64: 29, argument: 1, errno: EPERM },
    test: { kind: "none-of", values: [TIOCSTI, TIOCLINUX] },
  },
];

/** Its flags are behind a pointer, which a filter cannot see; C libraries then fall back to clone. */
export const CLONE3 = { name: "clone3", x64: 435, arm64: 435 } as const;
