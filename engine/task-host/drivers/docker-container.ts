import type { ContainerCreateOptions, ContainerInspectInfo } from "dockerode";
import { parseAttemptId } from "../../lib/ids.ts";
import type { TaskLaunch } from "../task-driver.ts";
import { dockerSeccompProfile } from "./docker-seccomp.ts";

/** Jobs that name no image run in this one. */
export const DEFAULT_IMAGE = "alpine:latest";

/** Docker refuses less. */
const MEMORY_MINIMUM_BYTES = 6 * 1024 * 1024;

const TASK_USER = "65534:65534";

/** The daemon refuses a second container of the same name: an attempt starts at most once. */
export const containerName = ({ clusterId, attemptId }: TaskLaunch): string =>
  `nl-${clusterId.replace(/[^a-zA-Z0-9_.-]/g, "_")}-${attemptId}`;

export const labelsOf = (hostKey: string, launch: TaskLaunch): Record<string, string> => ({
  "nl.host": hostKey,
  "nl.cluster": launch.clusterId,
  "nl.job": parseAttemptId(launch.attemptId).jobId,
  "nl.attempt": launch.attemptId,
  "nl.fence": `${launch.fence}`,
});

/** A container that can reach nothing and keep nothing (reference: the wanted HostConfig). */
export function containerOptions(hostKey: string, launch: TaskLaunch): ContainerCreateOptions {
  const { spec } = launch;
  const { cpuMillis, memoryBytes, pids } = spec.resources;
  const memory = Math.max(memoryBytes, MEMORY_MINIMUM_BYTES);
  return {
    name: containerName(launch),
    Image: spec.image || DEFAULT_IMAGE,
    Cmd: [...spec.command],
    Env: Object.entries({ HOME: "/tmp", ...launch.env }).map(([name, value]) => `${name}=${value}`),
    User: TASK_USER,
    WorkingDir: "/tmp",
    Labels: labelsOf(hostKey, launch),
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    NetworkDisabled: true,
    HostConfig: {
      NetworkMode: "none",
      ReadonlyRootfs: true,
      Privileged: false,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges", `seccomp=${dockerSeccompProfile()}`],
      IpcMode: "none",
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: cpuMillis * 1_000_000,
      PidsLimit: pids,
      Ulimits: [
        { Name: "nofile", Soft: 1024, Hard: 1024 },
        { Name: "core", Soft: 0, Hard: 0 },
      ],
      Tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,mode=1777,size=16m,nr_inodes=1k" },
      // The default log turned 50 MB of short lines into 1.8 GB on the host (FACTS).
      LogConfig: {
        Type: "local",
        Config: { "max-size": "1m", "max-file": "1", compress: "false" },
      },
      Init: true,
      AutoRemove: false,
      RestartPolicy: { Name: "no" },
      OomScoreAdj: 500,
      Dns: [],
      Binds: [],
      Devices: [],
    },
  };
}

/** What the daemon made of the request, where it is weaker than asked; empty = nothing. */
export function weakened(container: ContainerInspectInfo): readonly string[] {
  const { HostConfig: host, Config: config } = container;
  const expectations: readonly (readonly [string, boolean])[] = [
    ["the user is not nobody", config.User === TASK_USER],
    ["there is a network", host.NetworkMode === "none"],
    ["the root is writable", host.ReadonlyRootfs === true],
    ["it is privileged", host.Privileged !== true],
    ["capabilities are left", host.CapDrop?.includes("ALL") === true],
    ["new privileges are allowed", host.SecurityOpt?.includes("no-new-privileges") === true],
    [
      "system calls are not filtered",
      host.SecurityOpt?.some((option: string) => option.startsWith("seccomp={")) === true,
    ],
    ["folders of the host are mounted", (host.Binds ?? []).length === 0],
    ["devices are passed in", (host.Devices ?? []).length === 0],
    ["memory is not limited", (host.Memory ?? 0) > 0],
    ["processes are not limited", (host.PidsLimit ?? 0) > 0],
  ];
  return expectations.filter(([, holds]) => !holds).map(([sentence]) => sentence);
}
