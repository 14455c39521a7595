import { openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ok } from "../../lib/result.ts";
import type { TaskLaunch } from "../task-driver.ts";
import {
  dropPrivileges,
  FIRST_SANDBOX_FD,
  giveToTask,
  limitProcesses,
  mainProgram,
  type Sandbox,
  SYSTEM_PATH,
} from "./sandbox.ts";

/**
 * Namespaces by util-linux alone, for machines without bubblewrap: no network, a read-only root,
 * no capabilities, but no filter on system calls.
 */
export function unshareSandbox(): Sandbox {
  return {
    name: "unshare",
    caveat: "no filter on system calls: install bubblewrap",
    depth: 2,
    ownLimits: ["pids"],
    programs: ["unshare", "setpriv", "mount", "chroot"],
    enter(launch) {
      const file = join(launch.folder, "sandbox.env");
      writeFileSync(file, exports({ PATH: SYSTEM_PATH, HOME: "/tmp", ...launch.env }), {
        mode: 0o600,
      });
      const fd = openSync(file, "r");
      giveToTask(fd);
      rmSync(file);
      return ok({ argv: unshareArgv(launch), fds: [fd], cwd: "/", env: { PATH: SYSTEM_PATH } });
    },
  };
}

function unshareArgv({ spec }: TaskLaunch): readonly string[] {
  const before =
    `. /proc/self/fd/${FIRST_SANDBOX_FD}; exec ${FIRST_SANDBOX_FD}<&-; cd /tmp; ` +
    limitProcesses(spec.resources.pids);
  return [
    ...dropPrivileges(),
    ...["unshare", "--user", "--map-user=65534", "--map-group=65534", "--keep-caps"],
    ...["--mount", "--pid", "--net"],
    ...["--ipc", "--uts", "--cgroup", "--fork", "--kill-child=KILL", "/bin/sh", "-c", SETUP, "nl"],
    ...["chroot", "/tmp", "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"],
    ...["--ambient-caps=-all", ...mainProgram(spec.command, before)],
  ];
}

/**
 * Runs as the first process of the new namespaces. It stays: were the command itself the first
 * process, signals without a handler would not reach it. What it says on stderr until the root
 * stands tells why it does not; after that stderr belongs to the command alone.
 */
const SETUP = `
set -e
root=/tmp
mount -t tmpfs -o nosuid,nodev,size=1m,mode=755 nl $root
cd $root
mkdir usr proc dev tmp etc
bind() { mount --bind "$1" "$2"; mount -o remount,bind,ro,nosuid,nodev "$2"; }
bind /usr usr
for folder in bin sbin lib lib32 lib64; do
  if [ -L /$folder ]; then ln -s "$(readlink /$folder)" $folder
  elif [ -d /$folder ]; then mkdir $folder; bind /$folder $folder; fi
done
for name in alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime ssl; do
  if [ -d /etc/$name ]; then mkdir etc/$name; bind /etc/$name etc/$name
  elif [ -e /etc/$name ]; then : > etc/$name; bind "$(readlink -f /etc/$name)" etc/$name; fi
done
for name in null zero full random urandom; do
  : > dev/$name; mount --bind /dev/$name dev/$name
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t proc -o nosuid,nodev,noexec proc proc
for name in sys sysrq-trigger irq bus; do
  if [ -e proc/$name ]; then mount --bind proc/$name proc/$name
    mount -o remount,bind,ro,nosuid,nodev,noexec proc/$name; fi
done
mount -t tmpfs -o noexec,nosuid,nodev,size=16m,nr_inodes=1k,mode=1777 tmp tmp
hostname job 2>/dev/null || true
mount -o remount,bind,ro,nosuid,nodev $root
set +e
exec 9>&2 2>/dev/null
(exec 2>&9 9>&-; exec "$@")
exit $?
`;

/** Sourced by the innermost shell: in its arguments everybody on the machine could read it. */
function exports(env: Readonly<Record<string, string>>): string {
  const lines = Object.entries(env)
    .filter(([name]) => /^[A-Za-z_]\w*$/.test(name))
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`);
  return lines.join("");
}
