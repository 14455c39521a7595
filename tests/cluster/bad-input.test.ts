import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import type { Outcome } from "./harness/run-nl.ts";

/** What people get wrong: a sentence, what to do, a stable code, the documented exit code. */

const lab = new Lab();
const absent = await LocalCluster.place(lab, "absent");
const cluster = await LocalCluster.place(lab, "dev");
const stranger = await LocalCluster.place(lab, "stranger");

beforeAll(async () => {
  // Jobs of this cluster have a sandbox but no Docker.
  await Promise.all([
    cluster.nl(["up", "--port-base", String(cluster.portBase)], {
      env: { DOCKER_HOST: "tcp://127.0.0.1:1" },
    }),
    stranger.found(),
  ]);
});
afterAll(() => lab.close());

type Row = {
  readonly words: readonly string[];
  readonly code: number;
  readonly says: readonly string[];
};

describe("a command line that is wrong", () => {
  const rows: readonly Row[] = [
    { words: ["ps", "--al"], code: 2, says: ["unknown flag --al", "did you mean --all?"] },
    { words: ["stauts"], code: 2, says: ['unknown command "stauts"', 'did you mean "status"?'] },
    { words: ["node", "lss"], code: 2, says: ['unknown command "node lss"', '"ls"'] },
    { words: ["ps", "surplus"], code: 2, says: ['unexpected argument "surplus"'] },
    { words: ["ps", "--limit", "many"], code: 2, says: ["limit"] },
    { words: ["ps", "-o", "xml"], code: 2, says: ['unknown output format "xml"', "jsonl"] },
    { words: ["ps", "--state", "done"], code: 2, says: ['unknown state "done"', "completed"] },
    { words: ["up", "--nodes", "2"], code: 2, says: ["--nodes takes 1, 3 or 5"] },
    { words: ["drain"], code: 2, says: ["nl drain needs NODE"] },
    { words: ["run", "--imge", "x", "--", "true"], code: 125, says: ["did you mean --image?"] },
    { words: ["run"], code: 125, says: ["nothing to run", "nl run -- echo hello"] },
    { words: ["submit"], code: 2, says: ["nothing to submit"] },
    { words: ["top"], code: 2, says: ["nl top needs a terminal"] },
  ];

  test.each(rows)("$words exits $code and says what was meant", async ({ words, code, says }) => {
    const outcome = await cluster.nl(words);

    expect(outcome.code).toBe(code);
    for (const part of says) expect(outcome.stderr).toContain(part);
    expectDecent(outcome);
  });
});

describe("a spec that is wrong", () => {
  const documents: readonly (Row & { readonly text: string })[] = [
    { words: [], code: 2, text: "comand: [echo]", says: ["comand", "did you mean command?"] },
    { words: [], code: 2, text: "command: echo hello", says: ["command", "must be a list"] },
    { words: [], code: 2, text: "run: ''", says: ["run", "is empty"] },
    { words: [], code: 2, text: "run: x\nretries: {cont: 3}", says: ["retries.cont", "count"] },
    { words: [], code: 2, text: "run: x\ntimeout: soon", says: ["timeout"] },
    { words: [], code: 2, text: "run: x\nresources: {memory: -1}", says: ["resources.memory"] },
    { words: [], code: 2, text: "run: [", says: ["job.yaml"] },
    { words: [], code: 2, text: "- a list", says: ["a job spec is a map"] },
  ];

  test.each(documents)("$text is refused with its field", async ({ text, code, says }) => {
    writeFileSync(lab.path("job.yaml"), text);

    const outcome = await cluster.nl(["submit", "-f", "job.yaml"]);

    expect(outcome.code).toBe(code);
    for (const part of says) expect(outcome.stderr).toContain(part);
    expect(outcome.stderr).toContain("code: invalid_spec");
    expectDecent(outcome);
  });

  test("flags are checked by the same schema, and exit 125 in run", async () => {
    const empty = await cluster.nl(["run", "--", ""]);
    const image = await cluster.nl(["run", "--image", "no spaces", "--", "true"]);

    for (const outcome of [empty, image]) {
      expect(outcome.code).toBe(125);
      expect(outcome.stderr).toContain("code: invalid_spec");
      expectDecent(outcome);
    }
    expect(empty.stderr).toContain("command");
    expect(image.stderr).toContain("image");
  });

  test("a file that is not there is named", async () => {
    const outcome = await cluster.nl(["submit", "-f", "nowhere.yaml"]);

    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain("nowhere.yaml");
    expectDecent(outcome);
  });

  test("a bad line of --jsonl is refused with its number, the others are jobs", async () => {
    const lines = ['{"run":"true"}', '{"runn":"true"}', "not json", '{"run":"true"}'];

    const outcome = await cluster.nl(["submit", "--jsonl"], { stdin: lines.join("\n") });

    expect(outcome.code).toBe(8);
    expect(outcome.stdout.trim().split("\n")).toHaveLength(2);
    expect(outcome.stderr).toContain("line 2: ");
    expect(outcome.stderr).toContain("line 3: ");
    expect(outcome.stderr).toContain("2 submitted, 2 refused");
    expectDecent(outcome);
  });
});

describe("an id that is wrong", () => {
  test("an unknown id is not found, exit 3", async () => {
    for (const words of [["inspect"], ["logs"], ["cancel"]]) {
      const outcome = await cluster.nl([...words, "zzzzzzzzzzzz"]);

      expect(outcome.code).toBe(3);
      expect(outcome.stderr).toContain("code: not_found");
      expectDecent(outcome);
    }
  });

  test("an ambiguous prefix names the jobs that begin so", async () => {
    await cluster.nl(["submit", "--id", "aaaa00000001", "--", "true"]);
    await cluster.nl(["submit", "--id", "aaaa00000002", "--", "true"]);

    const outcome = await cluster.nl(["inspect", "aaaa"]);

    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain("aaaa00000001");
    expect(outcome.stderr).toContain("aaaa00000002");
    expect(outcome.stderr).toContain("code: ambiguous_id");
    expectDecent(outcome);
  });

  test("the same id with another spec is a conflict; with the same one it is the same job", async () => {
    const same = await cluster.nl(["submit", "--id", "aaaa00000001", "--", "true"]);
    const other = await cluster.nl(["submit", "--id", "aaaa00000001", "--", "false"]);

    expect(same.code).toBe(0);
    expect(other.code).toBe(4);
    expect(other.stderr).toContain("code: job_conflict");
    expectDecent(other);
  });

  test("cancelling what is over says how it ended, exit 4", async () => {
    await cluster.nl(["wait", "aaaa00000001"]);

    const outcome = await cluster.nl(["cancel", "aaaa00000001"]);

    expect(outcome.code).toBe(4);
    expect(outcome.stderr).toContain("completed");
    expect(outcome.stderr).toContain("code: already_over");
    expectDecent(outcome);
  });

  test("an unknown node is not found, and the known ones are named", async () => {
    const outcome = await cluster.nl(["drain", "n9"]);

    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain("n9");
    expect(outcome.stderr).toContain("code: not_found");
    expectDecent(outcome);
  });
});

describe("no cluster", () => {
  test("says nl up, exit 5; run exits 125", async () => {
    const listed = await absent.nl(["ps"]);
    const run = await absent.nl(["run", "--", "true"]);

    expect(listed.code).toBe(5);
    expect(run.code).toBe(125);
    for (const outcome of [listed, run]) {
      expect(outcome.stderr).toContain("nl up");
      expect(outcome.stderr).toContain("code: no_cluster");
      expectDecent(outcome);
    }
  });

  test("an address where nobody listens is named", async () => {
    const outcome = await cluster.nl(["ps", "--addr", "127.0.0.1:1"]);

    expect(outcome.code).toBe(5);
    expect(outcome.stderr).toContain("127.0.0.1:1");
    expect(outcome.stderr).toContain("code: unreachable");
    expectDecent(outcome);
  });
});

describe("identity", () => {
  test("a client certificate of another CA is refused at the handshake, exit 6", async () => {
    const certificate = [
      ...["--cert", join(stranger.clientDirectory, "client.pem")],
      ...["--key", join(stranger.clientDirectory, "client-key.pem")],
    ];

    const outcome = await cluster.nl(["ps", ...certificate]);

    expect(outcome.code).toBe(6);
    expect(outcome.stderr).toContain("certificate");
    expect(outcome.stderr).toContain("code: unauthenticated");
    expectDecent(outcome);
  });

  test("a client that trusts another CA does not talk to this cluster, exit 6", async () => {
    const outcome = await cluster.nl(["ps", "--ca-cert", join(stranger.clientDirectory, "ca.pem")]);

    expect(outcome.code).toBe(6);
    expect(outcome.stderr).toContain("certificate");
    expectDecent(outcome);
  });

  test("a certificate file that is not there is named", async () => {
    const outcome = await cluster.nl(["ps", "--cert", "/nowhere/client.pem"]);

    expect(outcome.code).toBe(6);
    expect(outcome.stderr).toContain("/nowhere/client.pem");
    expectDecent(outcome);
  });
});

describe("no Docker", () => {
  test("a job that names an image fails with no_docker, exit 125, and never falls back", async () => {
    const outcome = await cluster.nl(["run", "--image", "alpine:latest", "--", "echo", "hi"]);

    expect(outcome.code).toBe(125);
    expect(outcome.stdout).toBe("");
    expect(outcome.stderr).toContain("Docker");
    expect(outcome.stderr).toContain("code: no_docker");
    expectDecent(outcome);
  });

  test("a job that names none runs in the next sandbox, and the step down is said", async () => {
    const outcome = await cluster.nl(["run", "--", "echo", "hi"]);
    const status = await cluster.nl(["status"]);

    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toBe("hi\n");
    expect(status.stderr).toContain("docker");
    expectDecent(outcome);
  });
});

describe("ports that are taken", () => {
  test("explicit ports are refused, and their holder is named", async () => {
    const outcome = await absent.nl(["up", "--port-base", String(cluster.portBase)]);

    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`port ${cluster.portBase} is used by`);
    expect(outcome.stderr).toContain(`(pid ${cluster.agentPid("n1")})`);
    expect(outcome.stderr).toContain("nl up --port-base");
    expect(absent.nodeIds).toEqual([]);
    expectDecent(outcome);
  });

  test("default ports are left to their holder, with a warning", async () => {
    const holder = await holdDefaultPort();
    try {
      const outcome = await absent.nl(["up", "--nodes", "1", "--driver", "plain"]);

      expect(outcome.code).toBe(0);
      expect(outcome.stderr).toContain("7171 is used by");
      expect(outcome.stderr).toContain("using ");
      expect(absent.addresses[0]).not.toBe("127.0.0.1:7171");
      await absent.nl(["down", "--now"]);
    } finally {
      holder?.close();
    }
  });
});

/** Null when somebody else holds it already, which is as good. */
function holdDefaultPort(): Promise<Server | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(null));
    server.listen(7171, "127.0.0.1", () => resolve(server));
  });
}

/** No stack trace, no bug report, nothing but the documented three lines in front. */
function expectDecent({ stderr, stdout }: Outcome): void {
  expect(stderr + stdout).not.toMatch(/^\s+at .+:\d+/m);
  expect(stderr).not.toContain("a bug in nl");
}
