import { expect, test } from "bun:test";
import { command, group } from "./command.ts";
import { dispatch } from "./front.ts";

const leaf = (name: string, more: object = {}) =>
  command({
    name,
    summary: name,
    examples: [],
    args: {
      image: { type: "string" },
      env: { type: "string", alias: ["e"] },
      follow: { type: "boolean", alias: ["f"] },
    },
    repeat: ["env"],
    positionals: { name: "ID", min: 0, max: 1 },
    run: () => Promise.resolve(0),
    ...more,
  });

const root = group(
  {
    meta: { name: "nl" },
    subCommands: {
      logs: () => leaf("logs"),
      run: () => leaf("run", { takesCommand: true, positionals: { name: "", min: 0, max: 0 } }),
      cluster: () => group({ subCommands: { status: () => leaf("status") } }),
    },
  },
  { aliases: { output: "logs" }, guesses: { leader: "cluster status" } },
);

async function parse(...words: string[]) {
  const found = await dispatch(root, words);
  if (found.kind !== "run") throw new Error("not a command");
  return found.invocation;
}

test("repeated flags repeat", async () => {
  expect((await parse("logs", "-e", "A=1", "--env=B=2")).list("env")).toEqual(["A=1", "B=2"]);
});

test("words after -- belong to the job, dashes and all", async () => {
  const invocation = await parse("run", "--image", "alpine", "--", "ls", "-l", "--", "x");

  expect(invocation.text("image")).toBe("alpine");
  expect(invocation.command).toEqual(["ls", "-l", "--", "x"]);
});

test("the first word that is no flag starts the command, as with docker run", async () => {
  expect((await parse("run", "sh", "-c", "exit 7")).command).toEqual(["sh", "-c", "exit 7"]);
});

test("global flags are accepted before the command, too", async () => {
  expect((await parse("-o", "json", "cluster", "status")).text("output")).toBe("json");
});

test("a boolean can be switched off", async () => {
  expect((await parse("logs", "--no-color")).toggle("color")).toBe(false);
});

test.each([
  [["lgos"], 'unknown command "lgos"', 'did you mean "logs"?'],
  [["cluster", "statsu"], 'unknown command "cluster statsu"', 'did you mean "status"?'],
  [["logs", "--folow"], "unknown flag --folow", "did you mean --follow?"],
  [["logs", "a", "b"], 'unexpected argument "b"', "see: nl logs --help"],
  [["logs", "--image"], "--image needs a value", ""],
  [["outptu"], 'unknown command "outptu"', 'did you mean "output"?'],
  [["leader"], 'unknown command "leader"', 'did you mean "cluster status"?'],
  [["laeder"], 'unknown command "laeder"', 'did you mean "cluster status"?'],
  [["logs", "--image="], "--image needs a value", ""],
  [["logs", "--image", ""], "--image needs a value", ""],
  [["-o"], "-o needs a value", ""],
  [["logs", "--follow=yes"], "--follow takes no value", ""],
  [["logs", "--image=a", "--image=b"], "--image is given twice, with different values", ""],
  [["run", "--imgae", "x", "--", "ls"], "unknown flag --imgae", "did you mean --image?"],
  [["logs", "a\0b"], "an argument contains a NUL byte", ""],
])("refuses %p in one sentence", async (words, message, hint) => {
  const refusal = await dispatch(root, words).catch((error: unknown) => error);

  expect(refusal).toMatchObject({ message, hint });
});

test("help on a command, a group, a topic and nothing is help", async () => {
  expect(await dispatch(root, ["help", "logs"])).toMatchObject({
    kind: "help",
    path: ["nl", "logs"],
  });
  expect(await dispatch(root, ["help"])).toMatchObject({ kind: "help", path: ["nl"] });
  expect(await dispatch(root, ["help", "cluster"])).toMatchObject({ path: ["nl", "cluster"] });
  expect(await dispatch(root, ["help", "exit-codes"])).toEqual({
    kind: "topic",
    name: "exit-codes",
  });
});

test("another word for a command is that command", async () => {
  const found = await dispatch(root, ["output", "-f"]);

  expect(found).toMatchObject({ kind: "run", command: { meta: { name: "logs" } } });
});
