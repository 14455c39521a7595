import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { processEnvironment } from "../../engine/lib/runtime-environment.ts";
import { agentFile, nodeDirectory, nodeLog } from "./cluster-file.ts";
import { gone, livingProcess, writeProcessFile } from "./process-file.ts";
import { selfCommand } from "./self-command.ts";

/** The agent process of one node of a local cluster, and the task host beside it. */

export const agentPid = (root: string, id: string): number | null =>
  livingProcess(agentFile(root, id));

export const taskHostPid = (root: string, id: string): number | null =>
  livingProcess(join(nodeDirectory(root, id), "tasks", "task-host.pid"));

/** Starts `nl agent` in a session of its own; its talk goes to the node's log. */
export function startAgent(root: string, id: string, flags: readonly string[]): number {
  const log = openSync(nodeLog(root, id), "a", 0o600);
  const [program = "", ...words] = selfCommand("agent", "--dir", nodeDirectory(root, id), ...flags);
  const env = processEnvironment(process.env);
  const child = spawn(program, words, { detached: true, stdio: ["ignore", log, log], env });
  closeSync(log);
  child.unref();
  const pid = child.pid ?? 0;
  if (pid !== 0) writeProcessFile(agentFile(root, id), pid);
  return pid;
}

/** True once the agent is gone; it hands over leadership first. */
export async function stopAgent(pid: number, millis: number): Promise<boolean> {
  signal(pid, "SIGTERM");
  if (await gone(pid, millis)) return true;
  signal(pid, "SIGKILL");
  return gone(pid, 2_000);
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The last lines of a node's log, for the moment when it does not start. */
export function logTail(root: string, id: string, lines: number): readonly string[] {
  return logSince(root, id, 0).slice(-lines);
}

export function logBytes(root: string, id: string): number {
  return statSync(nodeLog(root, id), { throwIfNoEntry: false })?.size ?? 0;
}

/** What a node has said since its log had `bytes` bytes. */
export function logSince(root: string, id: string, bytes: number): readonly string[] {
  const path = nodeLog(root, id);
  if (!existsSync(path)) return [];
  const text = readFileSync(path).subarray(bytes).toString("utf8").trimEnd();
  return text === "" ? [] : text.split("\n");
}
