import { existsSync } from "node:fs";
import { join } from "node:path";

/** Runs every suite, one line of progress each; the last line is `N passed, N failed`. */

const root = join(import.meta.dir, "..");
const bun = [process.execPath, `--config=${join(root, "bunfig.toml")}`, "--no-env-file"];
const isCi = process.env["CI"] === "true";

type Tally = { passed: number; failed: number; skipped: number };
type Suite = { readonly name: string; readonly paths: readonly string[]; readonly limit: number };

/** `limit` in seconds: a suite that takes longer hangs, and fails. */
const SUITES: readonly Suite[] = [
  {
    name: "units",
    paths: [
      "engine",
      "cmd",
      "tui",
      "tests/tidy.test.ts",
      "tests/pitfalls.test.ts",
      "tests/mutants",
    ],
    limit: 150,
  },
  { name: "simulator", paths: ["tests/sim"], limit: 90 },
  { name: "scenarios", paths: ["tests/scenarios"], limit: 60 },
  { name: "contracts", paths: ["tests/contracts"], limit: 150 },
  { name: "cluster", paths: ["tests/cluster"], limit: 480 },
];

/** A test without a limit of its own: the default of 5 s is short for a machine that is busy. */
const PATIENCE = ["--timeout", "20000"];

const wanted = process.argv.slice(2);
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const missing = missingRequirements();
if (missing.length > 0) reportMissing();

if (wanted.length === 0 || wanted.includes("checks")) add("checks", runChecks());
for (const suite of SUITES) {
  if (wanted.length === 0 || wanted.includes(suite.name)) add(suite.name, await run(suite));
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function add(name: string, { tally, millis, output }: Outcome): void {
  if (tally.failed > 0) console.log(output.trimEnd());
  const mark = tally.failed === 0 ? "✓" : "✗";
  const skips = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  const counts = `${tally.passed} passed, ${tally.failed} failed${skips}`;
  console.log(`${mark} ${name.padEnd(10)} ${counts} in ${(millis / 1000).toFixed(1)} s`);
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
}

type Outcome = { readonly tally: Tally; readonly millis: number; readonly output: string };

function runChecks(): Outcome {
  const started = performance.now();
  const { stdout, stderr, exitCode } = Bun.spawnSync([...bun, "scripts/check.ts"], { cwd: root });
  const output = `${stdout}${stderr}`;
  const passed = output.match(/^✓/gm)?.length ?? 0;
  const failed = (output.match(/^✗/gm)?.length ?? 0) + (exitCode !== 0 && passed === 0 ? 1 : 0);
  const millis = performance.now() - started;
  return { tally: { passed, failed, skipped: 0 }, millis, output };
}

async function run(suite: Suite): Promise<Outcome> {
  const started = performance.now();
  const child = Bun.spawn(
    [...bun, "test", ...PATIENCE, ...suite.paths.map((path) => `./${path}`)],
    {
      cwd: root,
      env: { ...process.env, NL_TEST_MISSING: missing.map(({ name }) => name).join(",") },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const limit = setTimeout(() => child.kill("SIGKILL"), suite.limit * 1000);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const exitCode = await child.exited;
  clearTimeout(limit);
  const millis = performance.now() - started;
  const output = `${stdout}${stderr}`;
  const tally = tallyOf(output);
  if (exitCode !== 0 && tally.failed === 0) tally.failed = 1;
  const late =
    millis >= suite.limit * 1000 ? `\n${suite.name}: over ${suite.limit} s, ended\n` : "";
  return { tally, millis, output: onlyFailures(output) + late };
}

/** The closing lines of `bun test`: ` 9 pass`, ` 1 skip`, ` 0 fail`. */
function tallyOf(output: string): Tally {
  const count = (word: string) =>
    Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail"), skipped: count("skip") };
}

function onlyFailures(output: string): string {
  const kept = output.split("\n").filter((line) => !line.startsWith("(pass)"));
  return kept.join("\n");
}

type Missing = { readonly name: string; readonly why: string };

function missingRequirements(): readonly Missing[] {
  const found: Missing[] = [];
  if (!dockerHasImage()) found.push({ name: "docker", why: "no Docker with alpine:latest" });
  if (Bun.which("bwrap") === null) found.push({ name: "bubblewrap", why: "no bwrap" });
  if (Bun.which("tmux") === null) found.push({ name: "tmux", why: "no tmux" });
  if (Bun.which("strace") === null) found.push({ name: "strace", why: "no strace" });
  if (process.getuid?.() !== 0) found.push({ name: "root", why: "not root" });
  return found;
}

function dockerHasImage(): boolean {
  if (!existsSync("/var/run/docker.sock") || Bun.which("docker") === null) return false;
  return Bun.spawnSync(["docker", "image", "inspect", "alpine:latest"]).exitCode === 0;
}

function reportMissing(): void {
  const list = missing.map(({ name, why }) => `${name} (${why})`).join(", ");
  console.log(`${isCi ? "✗" : "!"} skipping the tests that need: ${list}`);
  if (isCi) total.failed += missing.length;
}
