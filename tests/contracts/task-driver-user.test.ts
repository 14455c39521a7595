import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriverStatus } from "../../engine/platform/task-host.ts";
import { isMissing } from "../support/requirements.ts";
import type { Ran } from "./driver-lab.ts";
import { commandLines } from "./process-list.ts";

setDefaultTimeout(30_000);

/** The process drivers without root: no cgroups, no other user to become. */

const USER = "12345";
const names = isMissing("bubblewrap") ? ["unshare"] : ["bubblewrap", "unshare"];

if (!isMissing("root")) {
  describe.each([...names, "plain"])("the %s driver for an ordinary user", (name) => {
    test("runs commands, keeps streams apart and tells codes", async () => {
      const { status, results } = await asUser(name, [
        "echo out; echo err >&2; exit 7",
        "exec no-such-command",
        "kill -9 $$",
      ]);

      expect(status.usable).toBe(true);
      expect(results[0]).toMatchObject({ stdout: "out\n", stderr: "err\n", exit: { exitCode: 7 } });
      expect(results[1]?.exit.exitCode).toBe(127);
      expect(results[2]?.exit.signal).toBe("SIGKILL");
    });

    test("leaves nothing behind", async () => {
      const sleep = `3000.${process.pid}`;

      await asUser(name, [`setsid sleep ${sleep} & (setsid sleep ${sleep} &); exit 0`]);

      expect(commandLines().filter((line) => line.includes(sleep))).toEqual([]);
    });

    test("says which limits do not hold", async () => {
      const { status } = await asUser(name, []);

      expect(status.limits).not.toContain("memory");
      expect(status.detail).toContain("not limited here: memory, cpu");
    });
  });

  describe.each(names)("the %s sandbox of an ordinary user", (name) => {
    test("isolates as root's does", async () => {
      const { results } = await asUser(name, [
        "id -u; grep CapEff /proc/self/status",
        "echo x >/tmp/file && cat /tmp/file",
        "(echo x >/x || cat /etc/shadow || ls /home || ls /root) 2>/dev/null",
        "cp /bin/true /tmp/t && /tmp/t 2>/dev/null",
        "test $(tail -n +3 /proc/net/dev | wc -l) = 1 && grep -q lo: /proc/net/dev",
      ]);

      expect(results[0]?.stdout).toBe("65534\nCapEff:\t0000000000000000\n");
      expect(results[1]?.stdout).toBe("x\n");
      expect(results[2]?.exit.exitCode).not.toBe(0);
      expect(results[3]?.exit.exitCode).not.toBe(0);
      expect(results[4]?.exit.exitCode).toBe(0);
    });

    test("stops a fork bomb at the limit of processes", async () => {
      const bomb = "i=0; while [ $i -lt 100 ]; do sleep 2 & i=$((i+1)); done; wait; echo all";

      const { results } = await asUser(name, [bomb]);

      expect(results[0]?.stdout).toBe("");
      expect(results[0]?.stderr.toLowerCase()).toContain("fork");
    });
  });
}

type Answer = { readonly status: DriverStatus; readonly results: readonly Ran[] };

let folder = "";

/** The program and its runtime, where an ordinary user may read them. */
beforeAll(async () => {
  if (isMissing("root")) return;
  folder = mkdtempSync(join(tmpdir(), "nl-user-"));
  mkdirSync(join(folder, "tmp"));
  chmodSync(folder, 0o755);
  chmodSync(join(folder, "tmp"), 0o1777);
  copyFileSync(process.execPath, join(folder, "bun"));
  chmodSync(join(folder, "bun"), 0o755);
  const entrypoints = [join(import.meta.dir, "task-host-user.ts")];
  const { outputs } = await Bun.build({ entrypoints, target: "bun" });
  await Bun.write(join(folder, "program.js"), outputs[0] ?? "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function asUser(sandbox: string, scripts: readonly string[]): Promise<Answer> {
  const become = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];
  const program = [join(folder, "bun"), "--no-env-file", join(folder, "program.js")];
  const child = Bun.spawn([...become, ...program, sandbox, "20", ...scripts], {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", HOME: folder, TMPDIR: join(folder, "tmp") },
    stderr: "inherit",
  });
  return JSON.parse(await child.stdout.text()) as Answer;
}
