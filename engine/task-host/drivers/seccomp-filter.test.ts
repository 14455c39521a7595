import { expect, test } from "bun:test";
import { dockerSeccompProfile } from "./docker-seccomp.ts";
import { type FilterMachine, seccompFilter } from "./seccomp-filter.ts";

/** Runs the filter as the kernel does: classic BPF over `struct seccomp_data`. */
function verdict(
  machine: FilterMachine,
  call: { readonly number: number; readonly arch?: number; readonly args?: readonly number[] },
): string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.arch ?? (machine === "x64" ? 0xc000003e : 0xc00000b7), true);
  (call.args ?? []).forEach((value, at) => {
    data.setUint32(16 + 8 * at, value >>> 0, true);
  });
  return nameOf(execute(new DataView(seccompFilter(machine).buffer), data));
}

function execute(program: DataView, data: DataView): number {
  let loaded = 0;
  for (let at = 0; at < program.byteLength; at += 8) {
    const code = program.getUint16(at, true);
    const constant = program.getUint32(at + 4, true);
    if (code === 0x06) return constant;
    if (code === 0x20) loaded = data.getUint32(constant, true);
    else at += 8 * program.getUint8(at + (holds(code, loaded, constant) ? 2 : 3));
  }
  throw new Error("a filter ends with an answer");
}

function holds(code: number, loaded: number, constant: number): boolean {
  if (code === 0x15) return loaded === constant;
  if (code === 0x25) return loaded > constant;
  if (code === 0x35) return loaded >= constant;
  if (code === 0x45) return (loaded & constant) !== 0;
  throw new Error(`unknown instruction ${code}`);
}

function nameOf(action: number): string {
  if (action === 0x7fff0000) return "allow";
  if (action === 0x80000000) return "kill";
  return `errno ${action & 0xffff}`;
}

test.each([
  ["read", 0, 63, "allow"],
  ["execve", 59, 221, "allow"],
  ["futex", 202, 98, "allow"],
  ["ptrace", 101, 117, "errno 1"],
  ["process_vm_readv", 310, 270, "errno 1"],
  ["bpf", 321, 280, "errno 1"],
  ["perf_event_open", 298, 241, "errno 1"],
  ["userfaultfd", 323, 282, "errno 1"],
  ["io_uring_setup", 425, 425, "errno 1"],
  ["io_uring_enter", 426, 426, "errno 1"],
  ["keyctl", 250, 219, "errno 1"],
  ["add_key", 248, 217, "errno 1"],
  ["finit_module", 313, 273, "errno 1"],
  ["open_by_handle_at", 304, 265, "errno 1"],
  ["name_to_handle_at", 303, 264, "errno 1"],
  ["setns", 308, 268, "errno 1"],
  ["unshare", 272, 97, "errno 1"],
  ["mount", 165, 40, "errno 1"],
  ["pivot_root", 155, 41, "errno 1"],
  ["quotactl", 179, 60, "errno 1"],
  ["fanotify_init", 300, 262, "errno 1"],
  ["vmsplice", 278, 75, "errno 1"],
  ["clone3", 435, 435, "errno 38"],
  ["a call newer than the list", 999, 999, "errno 38"],
])("answers %s", (_name, x64, arm64, expected) => {
  expect(verdict("x64", { number: x64 })).toBe(expected);
  expect(verdict("arm64", { number: arm64 })).toBe(expected);
});

test.each([
  ["AF_UNIX", 1, "allow"],
  ["AF_INET", 2, "allow"],
  ["AF_INET6", 10, "allow"],
  ["AF_NETLINK", 16, "errno 97"],
  ["AF_PACKET", 17, "errno 97"],
  ["AF_ALG", 38, "errno 97"],
  ["AF_VSOCK", 40, "errno 97"],
])("answers socket(%s)", (_name, family, expected) => {
  expect(verdict("x64", { number: 41, args: [family] })).toBe(expected);
  expect(verdict("arm64", { number: 198, args: [family] })).toBe(expected);
});

test.each([
  ["a thread", 0x003d0f00, "allow"],
  ["a new user namespace", 0x10000000, "errno 1"],
  ["a new mount namespace", 0x00020000, "errno 1"],
])("answers clone for %s", (_name, flags, expected) => {
  expect(verdict("x64", { number: 56, args: [flags] })).toBe(expected);
});

test("answers personality and terminal tricks by their argument", () => {
  expect(verdict("x64", { number: 135, args: [0xffffffff] })).toBe("allow");
  expect(verdict("x64", { number: 135, args: [0x40000] })).toBe("errno 1");
  expect(verdict("x64", { number: 16, args: [1, 0x5401] })).toBe("allow");
  expect(verdict("x64", { number: 16, args: [1, 0x5412] })).toBe("errno 1");
});

test("kills a call made in the way of another machine", () => {
  expect(verdict("x64", { number: 0, arch: 0x40000003 })).toBe("kill");
  expect(verdict("x64", { number: 0x40000000 })).toBe("errno 38");
  expect(verdict("arm64", { number: 63, arch: 0xc000003e })).toBe("kill");
});

test("Docker's profile denies by default and names none of the dangerous calls", () => {
  const profile = JSON.parse(dockerSeccompProfile());

  const allowed = profile.syscalls
    .filter(({ action }: { action: string }) => action === "SCMP_ACT_ALLOW")
    .flatMap(({ names }: { names: string[] }) => names);
  expect(profile.defaultAction).toBe("SCMP_ACT_ERRNO");
  for (const name of ["ptrace", "keyctl", "bpf", "io_uring_setup", "userfaultfd", "mount"]) {
    expect(allowed).not.toContain(name);
  }
});
