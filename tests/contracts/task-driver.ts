import { afterAll, describe, expect, test } from "bun:test";
import type { OutputStream, TaskDriver } from "../../engine/task-host/task-driver.ts";
import { DriverLab, type StartedTask } from "./driver-lab.ts";
import { commandLines } from "./process-list.ts";

export type DriverTraits = {
  /** Tasks cannot see or change the machine they run on. */
  readonly isSandbox: boolean;
  readonly limitsMemory: boolean;
  /** Tasks outlive their host, so another one can go on with them. */
  readonly isAdoptable: boolean;
};

const sh = (script: string): readonly string[] => ["sh", "-c", script];

/** A time that no other process sleeps: so its command line tells our processes from others. */
let sleepCount = 0;
const uniqueSleep = (): string => {
  sleepCount += 1;
  return `${1000 + sleepCount}.${process.pid}`;
};

/** What every driver promises (`engine/task-host/task-driver.ts`). */
export function taskDriverContract(
  name: string,
  create: (folder: string) => TaskDriver,
  traits: DriverTraits,
): void {
  describe(`the ${name} driver`, () => {
    const lab = new DriverLab(create);
    afterAll(() => lab.remove());

    runsCommands(lab);
    endsTasks(lab);
    if (traits.limitsMemory) limitsMemory(lab);
    if (traits.isSandbox) isolates(lab);
    if (traits.isAdoptable) isAdopted(lab, create);
  });
}

function runsCommands(lab: DriverLab): void {
  test("is usable on this machine", async () => {
    const { status, runsUnnamed } = await lab.driver.probe();

    expect(status).toMatchObject({ name: lab.driver.name, usable: true });
    expect(runsUnnamed).toBe(true);
  });

  test("runs a command and hands over what it writes", async () => {
    const { exit, stdout, stderr } = await lab.run(["echo", "hello"]);

    expect({ stdout, stderr }).toEqual({ stdout: "hello\n", stderr: "" });
    expect(exit).toMatchObject({ exitCode: 0, signal: "", oomKilled: false, lostDetail: "" });
  });

  test("passes arguments as they are", async () => {
    const words = ["a b", "", "$HOME", "'", '"', "\\", "*", "é"];

    const { stdout } = await lab.run(["printf", "[%s]", ...words]);

    expect(Buffer.from(stdout, "latin1").toString()).toBe(
      words.map((word) => `[${word}]`).join(""),
    );
  });

  test("tells the program's own code", async () => {
    expect((await lab.run(sh("exit 7"))).exit).toMatchObject({ exitCode: 7, signal: "" });
  });

  test("says 127 for a command that is missing and 126 for one that cannot be executed", async () => {
    const missing = await lab.run(["no-such-command"]);
    const notExecutable = await lab.run(["/proc/self/status"]);

    expect(missing.exit.exitCode).toBe(127);
    expect(missing.stderr).toContain("no-such-command");
    expect(notExecutable.exit.exitCode).toBe(126);
  });

  test("names the signal that ended the program", async () => {
    const { exit } = await lab.run(sh("kill -KILL $$"));

    expect(exit).toMatchObject({ exitCode: 137, signal: "SIGKILL", oomKilled: false });
  });

  test("keeps the streams apart and bytes as they are", async () => {
    const { stdout, stderr } = await lab.run(
      sh("printf '\\377\\000\\303('; printf '\\200' >&2; echo there >/dev/stderr"),
    );

    expect(stdout).toBe("\xff\0\xc3(");
    expect(stderr).toBe("\x80there\n");
  });

  test("hands over 50 MB without a newline, all of it", async () => {
    let bytes = 0;
    const launch = {
      ...lab.launch(["head", "-c", "50000000", "/dev/zero"]),
      onOutput: (_stream: OutputStream, piece: Uint8Array) => {
        bytes += piece.length;
      },
    };
    const gate = { mayStart: () => true, signal: new AbortController().signal };

    const started = await lab.driver.start(launch, gate);
    if (started.ok) await started.value.exited;
    await lab.driver.remove(launch.attemptId);

    expect(bytes).toBe(50_000_000);
  });

  test("gives the task its own environment and nothing of the host's", async () => {
    process.env["NL_TEST_SECRET"] = "of the host";

    const { stdout } = await lab.run(["env"], { env: { GREETING: "it's $5" } });

    Reflect.deleteProperty(process.env, "NL_TEST_SECRET");
    const names = stdout.split("\n").map((line) => line.split("=")[0] ?? "");
    const known = ["GREETING", "NL_JOB_ID", "NL_ATTEMPT", "NL_FENCE", "PATH", "HOME"];
    const harmless = ["PWD", "OLDPWD", "HOSTNAME", "SHLVL", "_", ""];
    expect(names.filter((word) => !harmless.includes(word)).sort()).toEqual(known.sort());
    expect(stdout).toContain("GREETING=it's $5\n");
  });

  test("starts nothing when the gate is shut at the last moment", async () => {
    const launch = lab.launch(["echo", "never"]);
    const gate = { mayStart: () => false, signal: new AbortController().signal };

    const started = await lab.driver.start(launch, gate);

    expect(started).toMatchObject({ ok: false, error: { kind: "aborted" } });
    expect(await lab.driver.adopt(launch, NOTHING_BEFORE)).toBeNull();
  });
}

const NOTHING_BEFORE = { delivered: { stdout: 0, stderr: 0 }, lastOutputAt: 0 };

function endsTasks(lab: DriverLab): void {
  test("TERM reaches a handler, whose code counts", async () => {
    const started = await lab.start(sh("trap 'echo bye; exit 3' TERM; echo up; sleep 60 & wait"));
    await firstOutput(started);

    expect(await started.task.terminate()).toBe(true);

    const { exit, stdout } = await lab.end(started);
    expect(stdout).toBe("up\nbye\n");
    expect(exit).toMatchObject({ exitCode: 3, signal: "" });
  });

  test("a signal after the end says that the end was the task's own", async () => {
    const started = await lab.start(["true"]);
    await started.task.exited;

    expect(await started.task.terminate()).toBe(false);
    expect(await started.task.kill()).toBe(false);
    await lab.end(started);
  });

  test("KILL ends what left the session and what was forked twice", async () => {
    const [first, second] = [uniqueSleep(), uniqueSleep()];
    const runaways = `setsid sleep ${first} & (setsid sleep ${second} &) ; echo up; sleep 60`;
    const started = await lab.start(sh(`trap '' TERM; ${runaways}`));
    await firstOutput(started);

    expect(await started.task.kill()).toBe(true);

    const { exit } = await lab.end(started);
    expect(exit.signal).toBe("SIGKILL");
    expect(commandLines().filter((line) => line.includes(first) || line.includes(second))).toEqual(
      [],
    );
  });

  test("nothing outlives the main process", async () => {
    const sleep = uniqueSleep();

    const { exit } = await lab.run(sh(`setsid sleep ${sleep} & exit 4`));

    expect(exit.exitCode).toBe(4);
    expect(commandLines().filter((line) => line.includes(sleep))).toEqual([]);
  });
}

function limitsMemory(lab: DriverLab): void {
  test("ends a task that uses more memory than its limit, and says so", async () => {
    const resources = { cpuMillis: 1000, memoryBytes: 32 * 1024 * 1024, pids: 32 };
    const script = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $" + "{#x}";

    const { exit } = await lab.run(sh(script), { resources });

    expect(exit).toMatchObject({ oomKilled: true, signal: "SIGKILL" });
  });

  test("a fork bomb stops at the limit of processes", async () => {
    const resources = { cpuMillis: 1000, memoryBytes: 64 * 1024 * 1024, pids: 20 };
    const script = "i=0; while [ $i -lt 100 ]; do sleep 2 & i=$((i+1)); done; wait; echo all";

    const { stdout, stderr } = await lab.run(sh(script), { resources });

    expect(stdout).toBe("");
    expect(stderr.toLowerCase()).toContain("fork");
  });
}

const ESCAPES = [
  ["write to the root", "echo x >/x"],
  ["write to a system folder", "echo x >/usr/x || echo x >/bin/x"],
  ["write to /dev/shm", "mkdir -p /dev/shm && echo x >/dev/shm/x"],
  ["change a setting of the kernel", "echo x >/proc/sys/kernel/core_pattern"],
  ["trigger the kernel", "echo h >/proc/sysrq-trigger"],
  ["run a file from /tmp", "cp /bin/true /tmp/t && /tmp/t"],
  ["mount", "mount -t tmpfs none /tmp"],
  ["make a user namespace", "unshare -U true"],
  ["make a device", "mknod /tmp/d b 8 0"],
  ["read the kernel's memory", "head -c 1 /proc/kcore"],
  ["become root", "su -c true root || chroot / true"],
  ["raise its own limits", "ulimit -n 100000"],
  ["reach the host's root", "ls /proc/1/root/root || ls /proc/1/root/home"],
  ["signal a process outside", `kill -0 ${process.pid}`],
  ["reach the network", "ping -c 1 -W 1 1.1.1.1 || nc -w 1 1.1.1.1 53 </dev/null"],
  ["reach the daemon", "test -e /var/run/docker.sock"],
  ["read a file of the host", "cat /etc/shadow || ls /root /home"],
] as const;

function isolates(lab: DriverLab): void {
  test("runs as nobody, without capabilities and without the way to gain some", async () => {
    const { stdout } = await lab.run(sh("id -u; id -g; cat /proc/self/status"));

    expect(stdout).toStartWith("65534\n65534\n");
    expect(stdout).toMatch(/^CapEff:\s0000000000000000$/m);
    expect(stdout).toMatch(/^CapBnd:\s0000000000000000$/m);
    expect(stdout).toMatch(/^NoNewPrivs:\s1$/m);
  });

  test("a task cannot reach out of its sandbox", async () => {
    // Each in a shell of its own, in one task: what ends well is printed.
    const attempts = ESCAPES.map(
      ([what, script]) => `(${script}) >/dev/null 2>&1 && echo 'it could ${what}'`,
    );

    const { stdout } = await lab.run(sh(`${attempts.join("\n")}\necho tried`));

    expect(stdout).toBe("tried\n");
  });

  test("a task has no network but its own loopback, and a /tmp to write to", async () => {
    const { stdout } = await lab.run(
      sh("echo kept >/tmp/file; cat /tmp/file; tail -n +3 /proc/net/dev"),
    );

    expect(stdout).toMatch(/^kept\n\s*lo:[^\n]*\n$/);
  });
}

function isAdopted(lab: DriverLab, create: (folder: string) => TaskDriver): void {
  test("another driver of the same host goes on with a task, output and all", async () => {
    const started = await lab.start(sh("echo one; echo two >&2; sleep 1; echo three; exit 5"));
    await firstOutput(started);
    const later: string[] = [];
    const onOutput = (stream: OutputStream, bytes: Uint8Array) =>
      later.push(`${stream}:${Buffer.from(bytes)}`);

    const adopted = await create(lab.folder).adopt(
      { ...started.launch, onOutput },
      { delivered: { stdout: 4, stderr: 4 }, lastOutputAt: Date.now() },
    );
    const exit = await adopted?.exited;

    expect(later.join("")).toBe("stdout:three\n");
    expect(exit).toMatchObject({ exitCode: 5 });
    expect(adopted?.outputAtLeast).toBe(true);
    await lab.end(started);
  });

  test("sweeps what no journal knows, and leaves the rest", async () => {
    const [known, unknown] = [await lab.start(["sleep", "60"]), await lab.start(["sleep", "60"])];

    await lab.driver.sweep((attemptId) => attemptId === known.launch.attemptId);

    const { lostDetail } = (await lab.end(unknown)).exit;
    expect(lostDetail === "" ? "ended" : "removed").toBeString();
    expect(await known.task.kill()).toBe(true);
    await lab.end(known);
  });

  test("refuses a second start of the same attempt", async () => {
    const first = await lab.start(["sleep", "60"]);
    const gate = { mayStart: () => true, signal: new AbortController().signal };

    const second = await lab.driver.start(first.launch, gate);

    expect(second).toMatchObject({ ok: false, error: { kind: "not-started" } });
    await first.task.kill();
    await lab.end(first);
  });
}

async function firstOutput({ output }: StartedTask): Promise<void> {
  while (output.stdout.length === 0) await Bun.sleep(5);
}
