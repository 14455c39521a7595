import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { contention } from "./harness/contention.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive } from "./harness/processes.ts";

/** What `nl up` promises: a cluster, the job's own output and code, and an end that is one. */

const lab = new Lab();
afterAll(() => lab.close());

/** Promised for a quiet machine (issue: `nl up` to "up"); the first job and its client come on top. */
const UP_MILLIS_MAX = 2_500 + 1_000;

const cluster = await LocalCluster.place(lab, "dev");
const slowness = contention();

describe("nl up and nl down", () => {
  test("up with a command starts the cluster and prints the job's output, nothing else", async () => {
    const up = await cluster.up("--driver", "plain", "--", "echo", "hello");

    expect(up.stdout).toBe("hello\n");
    expect(up.code).toBe(0);
    expect(up.stderr).toContain("Cluster is up.");
    expect(up.stderr).toContain("nl run -- echo hello");
    expect(up.millis).toBeLessThan(UP_MILLIS_MAX * slowness);
    expect(cluster.nodeIds.map((id) => cluster.agentPid(id))).toHaveLength(3);
    expect(cluster.nodeIds.map((id) => cluster.taskHostPid(id))).toHaveLength(3);
  });

  test("up again says that all nodes run, and starts nothing", async () => {
    const before = cluster.processes();

    const again = await cluster.up("--driver", "plain");

    expect(again.code).toBe(0);
    expect(again.stderr).toContain("3 of 3 nodes are already up");
    expect(cluster.processes()).toEqual(before);
  });

  test("run exits as the job did, and keeps its two streams apart", async () => {
    const script = "echo to stdout; echo to stderr >&2; exit 7";

    const run = await cluster.nl(["run", "--", "sh", "-c", script]);

    expect(run.code).toBe(7);
    expect(run.stdout).toBe("to stdout\n");
    expect(run.stderr).toStartWith("to stderr\n");
  });

  test("run passes bytes through as they are", async () => {
    const run = await cluster.nl([
      "run",
      "--",
      "printf",
      "a\\000b\\377\\r\\nno newline at the end",
    ]);

    expect(run.code).toBe(0);
    expect(run.stdout).toBe("a\0b\ufffd\r\nno newline at the end");
  });

  test("a command that is missing is 127, one that cannot be executed 126", async () => {
    const [missing, notExecutable] = await Promise.all([
      cluster.nl(["run", "--", "no-such-program"]),
      cluster.nl(["run", "--", "/etc/passwd"]),
    ]);

    expect(missing.code).toBe(127);
    expect(notExecutable.code).toBe(126);
  });

  test("down ends every process, also a running job's, and up knows every job again", async () => {
    const detached = await cluster.nl(["run", "-d", "--", "sleep", "600"]);
    const jobId = detached.stdout.trim();
    await cluster.nl(["submit", "--wait", "--name", "earlier", "--", "true"]);
    const listed = await cluster.nl(["ps", "--all", "-q"]);
    const living = cluster.processes();

    const down = await cluster.nl(["down", "--now"]);

    expect(down.code).toBe(0);
    expect(down.stderr).toContain("stopped n1 n2 n3");
    expect(living.filter(isAlive)).toEqual([]);
    expect(lab.processes()).toEqual([]);

    const up = await cluster.up("--driver", "plain");
    const resumed = await cluster.nl(["ps", "--all", "-q"]);

    expect(up.code).toBe(0);
    expect(up.stderr).toContain(`resumed: ${listed.stdout.trim().split("\n").length} jobs`);
    expect(resumed.stdout).toBe(listed.stdout);
    expect(resumed.stdout).toContain(jobId);
  });

  test("output is still there after all nodes were stopped and started", async () => {
    const named = await cluster.nl(["ps", "--all", "-o", "json"]);
    const echo = JSON.parse(named.stdout).find(({ name }: { name: string }) => name === "echo");

    const logs = await cluster.nl(["logs", echo.id]);

    expect(logs.stdout).toBe("hello\n");
  });

  test("a node whose directory is gone does not come back as itself; the others go on", async () => {
    const listed = await cluster.nl(["ps", "--all", "-q"]);
    await cluster.nl(["down", "--now"]);
    rmSync(join(cluster.root, "n3"), { recursive: true });

    const up = await cluster.up("--driver", "plain", "--", "echo", "two are enough");

    expect(up.stderr).toContain("n3 is gone");
    expect(up.stderr).toContain("could vote twice");
    expect(up.stdout).toBe("two are enough\n");
    expect(up.code).toBe(0);
    expect(cluster.isUp("n3")).toBe(false);
    const after = await cluster.nl(["ps", "--all", "-q"]);
    expect(after.stdout).toContain(listed.stdout);
  });

  test("down says that there is nothing to stop, and up where the cluster lives", async () => {
    await cluster.nl(["down", "--now"]);

    const down = await cluster.nl(["down"]);
    const status = await cluster.nl(["status"]);

    expect(down.code).toBe(0);
    expect(down.stderr).toContain("nothing was running");
    expect(status.code).toBe(5);
    expect(status.stderr).toContain("nl up");
    expect(status.stderr).toContain("code: no_cluster");
  });
});
