import { readFileSync } from "node:fs";
import { selfCommand } from "../../../cmd/local/self-command.ts";
import type { Lab } from "./lab.ts";

export type JoiningAgent = {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** Everything it has said since it was started. */
  said(): string;
};

/** Counts the files that agents talk to: each start has its own. */
let started = 0;

/** `nl agent` with a directory that it makes itself, or that is there already. */
export function startJoining(
  lab: Lab,
  directory: string,
  flags: readonly string[] = [],
): JoiningAgent {
  started += 1;
  const talk = lab.path(`agent-${started}.log`);
  const words = ["agent", "--dir", directory, "--roles", "server", ...flags];
  const child = Bun.spawn([...selfCommand(...words)], {
    env: lab.env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(talk),
  });
  return { pid: child.pid, exited: child.exited, said: () => readFileSync(talk, "utf8") };
}
