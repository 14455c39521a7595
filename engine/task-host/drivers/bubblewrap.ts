import { lstatSync, openSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok } from "../../lib/result.ts";
import type { TaskLaunch } from "../task-driver.ts";
import {
  dropPrivileges,
  FIRST_SANDBOX_FD,
  limitProcesses,
  mainProgram,
  type Sandbox,
  SYSTEM_PATH,
} from "./sandbox.ts";
import { seccompFilter } from "./seccomp-filter.ts";

const FILTER_FD = FIRST_SANDBOX_FD;
const ARGUMENTS_FD = FIRST_SANDBOX_FD + 1;

/**
 * bubblewrap: namespaces without a daemon, about 15 ms a task. As root nl becomes nobody first:
 * inside a user namespace whose root maps to nobody, files of the kernel such as
 * `/proc/sys/kernel/core_pattern` would still take root's writes.
 */
export function bubblewrapSandbox(hostFolder: string): Sandbox {
  return {
    name: "bubblewrap",
    caveat: "",
    depth: 2,
    ownLimits: ["pids"],
    programs: ["bwrap", "unshare", "setpriv"],
    enter(launch) {
      if (process.arch !== "x64" && process.arch !== "arm64") {
        return err(`there is no seccomp filter for ${process.arch}: use Docker here`);
      }
      const filter = openContent(join(hostFolder, "seccomp.bpf"), seccompFilter(process.arch));
      const options = bubblewrapOptions(launch.env).map((word) => `${word}\0`);
      const file = join(launch.folder, "sandbox.args");
      const fds = [filter, openContent(file, Buffer.from(options.join("")))];
      return ok({ argv: bubblewrapArgv(launch), fds, cwd: "/", env: { PATH: SYSTEM_PATH } });
    },
  };
}

/** The file is gone from the folder at once; what has it open can still read it. */
function openContent(path: string, content: Uint8Array): number {
  writeFileSync(path, content, { mode: 0o600 });
  const fd = openSync(path, "r");
  rmSync(path);
  return fd;
}

function bubblewrapArgv(launch: TaskLaunch): readonly string[] {
  // bubblewrap cannot mount a tmpfs from which nothing may be executed, so /tmp is made before.
  const tmp = "mount -t tmpfs -o noexec,nosuid,nodev,size=16m,nr_inodes=1k,mode=1777 tmp /tmp";
  return [
    ...dropPrivileges(),
    ...["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"],
    ...["/bin/sh", "-c", `${tmp} && exec "$@"`, "nl"],
    ...["setpriv", "--inh-caps=-all", "--ambient-caps=-all"],
    ...["bwrap", "--args", `${ARGUMENTS_FD}`, "--"],
    // Processes are counted per user and user namespace, and each task has a namespace of its own.
    ...mainProgram(launch.spec.command, limitProcesses(launch.spec.resources.pids)),
  ];
}

/** Travels in a file: on the command line everybody on the machine could read the environment. */
function bubblewrapOptions(env: Readonly<Record<string, string>>): readonly string[] {
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"],
    ...["--unshare-cgroup-try", "--die-with-parent", "--new-session"],
    ...["--uid", "65534", "--gid", "65534", "--hostname", "job", "--cap-drop", "ALL"],
    ...["--seccomp", `${FILTER_FD}`],
    ...["--ro-bind", "/usr", "/usr", ...MERGED.flatMap(mergedFolder)],
    ...["--dir", "/etc", ...SYSTEM_FILES.flatMap((path) => ["--ro-bind-try", path, path])],
    ...["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"],
    ...["--bind", "/tmp", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"],
    "--clearenv",
    ...Object.entries({ PATH: SYSTEM_PATH, HOME: "/tmp", ...env }).flatMap(([name, value]) => [
      "--setenv",
      name,
      value,
    ]),
  ];
}

/** Links into /usr on most systems, folders of their own on others. */
const MERGED = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/** What programs from /usr need to find libraries, time zones and certificate authorities. */
const SYSTEM_FILES = [
  ...["/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"],
  ...["/etc/localtime", "/etc/ssl/certs"],
];

function mergedFolder(path: string): readonly string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink()
    ? ["--symlink", readlinkSync(path), path]
    : ["--ro-bind", path, path];
}
