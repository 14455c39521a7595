import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { bubblewrapSandbox } from "../../engine/task-host/drivers/bubblewrap.ts";
import { ProcessDriver } from "../../engine/task-host/drivers/process-driver.ts";
import { isMissing } from "../support/requirements.ts";
import { DriverLab } from "./driver-lab.ts";

setDefaultTimeout(30_000);

/** System calls that no task may make, by their x86-64 numbers, each with arguments that could work. */
const FORBIDDEN: Readonly<Record<string, readonly number[]>> = {
  "ptrace of pid 1": [101, 16, 1, 0, 0],
  "process_vm_readv of pid 1": [310, 1, 0, 0, 0, 0, 0],
  bpf: [321, 0, 0, 0],
  perf_event_open: [298, 0, 0, -1, -1, 0],
  userfaultfd: [323, 0],
  io_uring_setup: [425, 1, 0],
  io_uring_enter: [426, 0, 0, 0, 0, 0],
  keyctl: [250, 0, -3, 0],
  add_key: [248, 0, 0, 0, 0, 0],
  request_key: [249, 0, 0, 0, 0],
  init_module: [175, 0, 0, 0],
  finit_module: [313, 0, 0, 0],
  delete_module: [176, 0, 0],
  kexec_load: [246, 0, 0, 0, 0],
  open_by_handle_at: [304, 0, 0, 0],
  name_to_handle_at: [303, 0, 0, 0, 0, 0],
  setns: [308, 0, 0],
  "unshare(CLONE_NEWUSER)": [272, 0x10000000],
  "unshare(CLONE_NEWNS)": [272, 0x20000],
  clone3: [435, 0, 0],
  mount: [165, 0, 0, 0, 0, 0],
  umount2: [166, 0, 0],
  pivot_root: [155, 0, 0],
  sethostname: [170, 0, 0],
  settimeofday: [164, 0, 0],
  clock_settime: [227, 0, 0],
  iopl: [172, 3],
  ioperm: [173, 0, 1, 1],
  syslog: [103, 3, 0, 0],
  swapon: [167, 0, 0],
  swapoff: [168, 0],
  quotactl: [179, 0, 0, 0, 0],
  acct: [163, 0],
  "personality(ADDR_NO_RANDOMIZE)": [135, 0x40000],
  fanotify_init: [300, 0, 0],
  vmsplice: [278, 1, 0, 0, 0],
  "setpriority(-20)": [141, 0, 0, -20],
  "socket(AF_PACKET)": [41, 17, 3, 0],
  "socket(AF_INET, SOCK_RAW)": [41, 2, 3, 1],
  "socket(AF_NETLINK)": [41, 16, 3, 0],
  "socket(AF_VSOCK)": [41, 40, 1, 0],
  "socket(AF_ALG)": [41, 38, 5, 0],
};

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

if (!isMissing("bubblewrap") && process.arch === "x64") {
  const lab = new DriverLab(
    (hostFolder) =>
      new ProcessDriver({ sandbox: bubblewrapSandbox(hostFolder), cgroups: null, hostFolder }),
  );
  afterAll(() => lab.remove());

  test("the sandbox refuses every forbidden system call", async () => {
    const calls = Object.entries(FORBIDDEN).map(
      ([name, words]) =>
        `$! = 0; $r = syscall(${words.join(", ")}); print "${name}=$r,", $!+0, "\\n";`,
    );

    const { stdout } = await lab.run(["perl", "-e", calls.join("\n")]);

    const answers = stdout.trim().split("\n");
    const refusals = [EPERM, EACCES, ENOSYS, EAFNOSUPPORT].map((errno) => `=-1,${errno}`);
    const passed = answers.filter((answer) => !refusals.some((end) => answer.endsWith(end)));
    expect(passed).toEqual([]);
    expect(answers).toHaveLength(Object.keys(FORBIDDEN).length);
  });
}
