import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isMissing } from "../support/requirements.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { Terminal } from "./harness/terminal.ts";

/** `nl top` as a person sees it: in a terminal of 80×24, attached to a real cluster. */

const lab = new Lab();
const cluster = await LocalCluster.place(lab, "dev");
let terminal: Terminal;
let running = "";
let done = "";

afterAll(() => lab.close());

describe.skipIf(isMissing("tmux"))("nl top at 80×24", () => {
  beforeAll(async () => {
    await cluster.up("--driver", "plain");
    done = (await cluster.nl(["submit", "--wait", "--name", "quick", "--", "echo", "hi"])).stdout;
    done = done.trim();
    const script = "echo line of output; sleep 600";
    running = (await cluster.nl(["run", "-d", "--name", "slow", "--", "sh", "-c", script])).stdout;
    running = running.trim();
    terminal = await Terminal.open(lab, cluster.env);
    await terminal.type(`${cluster.shellCommand("top")}`);
    await terminal.press("Enter");
  });

  test("shows who leads, the members, and the jobs", async () => {
    const leader = await cluster.leader();

    const screen = await terminal.untilShows(/live via n\d/);
    const full = await terminal.untilShows(new RegExp(`${running}.*running`));

    expect(screen).toContain(`▲ leader ${leader}`);
    for (const id of cluster.nodeIds) expect(full).toMatch(new RegExp(`${id} .*(leader|follower)`));
    expect(full).toMatch(new RegExp(`${done} quick .*completed`));
    expect(full.split("\n").every((line) => Bun.stringWidth(line) <= 80)).toBe(true);
    expect(await terminal.isAlternate()).toBe(true);
  });

  test("filters the jobs", async () => {
    await terminal.type("/");
    await terminal.type("state:running");
    await terminal.press("Enter");

    const screen = await terminal.untilShows(/filter state:running/);

    expect(screen).toContain(running);
    expect(screen).not.toContain(done);
  });

  test("opens a job with its output", async () => {
    await terminal.press("Enter");

    await terminal.untilShows(/^ line of output/m);
    const screen = await terminal.untilShows(/^ 1 +n\d +running/m);

    expect(screen).toContain(running);
  });

  test("asks before it drains, and says what would happen", async () => {
    await terminal.press("Escape");
    await terminal.untilShows(/ID +NAME/);
    await terminal.press("Escape");
    await terminal.untilShows(new RegExp(done));
    await terminal.type("1");
    await terminal.untilShows(/\[1 Cluster\]/);
    await terminal.type("d");

    const dialog = await terminal.untilShows(/Drain n\d\?/);
    await terminal.type("n");
    const after = await terminal.untilShows(/d drain/);

    expect(dialog).toMatch(/\$ nl drain n\d/);
    expect(dialog).toMatch(/live jobs? may finish/);
    expect(after).not.toContain("draining");
  });

  test("goes on through another node when the one it is attached to is killed", async () => {
    const attached = /live via (n\d)/.exec(await terminal.screen())?.[1] ?? "";

    await cluster.kill(attached);
    const other = cluster.nodeIds.filter((id) => id !== attached).join("|");
    await terminal.untilShows(new RegExp(`live via (${other})`), 15_000);
    const submitted = await cluster.nl(["submit", "--name", "after-the-kill", "--", "true"]);
    const screen = await terminal.untilShows(/after-the-kill.*completed/);

    expect(screen).toContain(submitted.stdout.trim());
    await terminal.untilShows(new RegExp(`${attached} .*down`));
  });

  test("leaves with q, and the terminal is as it was", async () => {
    await terminal.type("q");

    const screen = await terminal.untilShows(/^ready>$/m);

    expect(await terminal.isAlternate()).toBe(false);
    expect(screen).not.toContain("live via");
    await terminal.type("echo still $((20 + 3)) here");
    await terminal.press("Enter");
    await terminal.untilShows(/still 23 here$/m);
  });
});
