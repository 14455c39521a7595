import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isMissing } from "../support/requirements.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive } from "./harness/processes.ts";
import { Terminal } from "./harness/terminal.ts";

/** The one binary, in an empty directory, without the repository and without Bun on the PATH. */

const BUILD_MILLIS = 120_000;

const lab = new Lab();
const binary = lab.path("bin", "nl");
const empty = lab.path("empty");
const cluster = await LocalCluster.place(lab, "dev", [binary]);

beforeAll(async () => {
  mkdirSync(empty);
  const script = join(import.meta.dir, "..", "..", "scripts", "build.ts");
  const build = Bun.spawn([process.execPath, script, binary], { stdout: "pipe", stderr: "pipe" });
  expect([await build.stderr.text(), await build.exited]).toEqual(["", 0]);
}, BUILD_MILLIS);
afterAll(() => lab.close());

const nl = (...words: readonly string[]) =>
  cluster.nl(words, { cwd: empty, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });

describe("the built binary", () => {
  test("says its version", async () => {
    expect(await nl("version")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^nl \d/) });
  });

  test("starts a cluster and runs a job", async () => {
    const up = await nl("up", "--port-base", String(cluster.portBase), "--", "echo", "hello");

    expect(up.stderr).toContain("Cluster is up.");
    expect(up.stdout).toBe("hello\n");
    expect(up.code).toBe(0);
  });

  test.skipIf(isMissing("bubblewrap"))("runs jobs in the process sandbox", async () => {
    const run = await nl("run", "--driver", "process", "--", "sh", "-c", "id -u; exit 7");

    expect(run.stdout).toBe("65534\n");
    expect(run.code).toBe(7);
  });

  test.skipIf(isMissing("docker"))(
    "runs jobs in Docker, with the image that is named",
    async () => {
      const image = ["--image", "alpine:latest"];

      const run = await nl("run", ...image, "--", "sh", "-c", "test -e /.dockerenv; exit 9");

      expect(run.stderr).not.toContain("plain");
      expect(run.code).toBe(9);
    },
  );

  test.skipIf(isMissing("docker"))(
    "says that an image is not there, and pulls nothing",
    async () => {
      const run = await nl("run", "--image", "no-such-image:1", "--", "true");

      expect(run.code).toBe(125);
      expect(run.stderr).toContain("no-such-image:1");
      expect(run.stderr).toContain("docker pull");
      expect(run.stderr).toContain("code: no_image");
    },
  );

  test.skipIf(isMissing("tmux"))("shows the cluster live with top", async () => {
    const terminal = await Terminal.open(lab, cluster.env);
    await terminal.type(`cd ${empty}; ${binary} top`);
    await terminal.press("Enter");

    const screen = await terminal.untilShows(/▲ leader.*live via n\d/);
    await terminal.type("q");
    await terminal.untilShows(/^ready>$/m);

    expect(screen).toContain("1 Cluster");
  });

  test("stops everything it started, and left nothing in the directory", async () => {
    const living = cluster.processes();

    const down = await nl("down", "--now");

    expect(down.code).toBe(0);
    expect(living).toHaveLength(6);
    expect(living.filter(isAlive)).toEqual([]);
    expect(readdirSync(empty)).toEqual([]);
  });
});
