import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AttemptId } from "../../lib/ids.ts";
import { SPEC_DEFAULTS } from "../../lib/job-spec.ts";
import type { TaskLaunch } from "../task-driver.ts";
import { launchProcess } from "./launch-process.ts";
import type { Sandbox } from "./sandbox.ts";

/** Enters the sandbox once, to run `true`. Empty = it works, else one sentence that says why not. */
export async function probeSandbox(sandbox: Sandbox, hostFolder: string): Promise<string> {
  const folder = mkdtempSync(join(hostFolder, "probe-"));
  try {
    const started = await launchProcess({ sandbox, launch: probeLaunch(folder), cgroup: null });
    if (!started.ok) return `${started.error.detail}${adviceFor(started.error.detail)}`;
    const exit = await started.value.exited;
    return exit.exitCode === 0 ? "" : `\`true\` ended with code ${exit.exitCode} in it`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function probeLaunch(folder: string): TaskLaunch {
  const spec = { ...SPEC_DEFAULTS, name: "", command: ["true"], image: "", env: {}, labels: {} };
  return {
    attemptId: "probe.0" as AttemptId,
    fence: 0,
    clusterId: "",
    spec,
    folder,
    env: {},
    onOutput: () => undefined,
  };
}

function adviceFor(detail: string): string {
  const isForbidden = detail.includes("Operation not permitted") || detail.includes("uid_map");
  return isForbidden
    ? " (are unprivileged user namespaces switched off? see sysctl kernel.unprivileged_userns_clone" +
        " and kernel.apparmor_restrict_unprivileged_userns)"
    : "";
}
