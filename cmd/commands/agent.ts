import { writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { bunLogger, type NodeLogger } from "../../engine/bun-platform.ts";
import { defaultNodeConfig, type NodeConfig } from "../../engine/config/node-config.ts";
import { parseSize } from "../../engine/config/sizes.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { DRIVERS } from "../local/driver-names.ts";
import { ephemeralDirectory } from "../local/ephemeral-directory.ts";
import { JOIN_ARGS, joinOrMove } from "../local/join-first.ts";
import { writeProcessFile } from "../local/process-file.ts";
import { selfCommand } from "../local/self-command.ts";
import { SNAPSHOT_ARGS, snapshotSettings } from "../local/snapshot-settings.ts";
import { orFail } from "../nl-failure.ts";
import { EXIT_DISK, EXIT_FAILED } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";
import type { World } from "../world.ts";

export const agent = command({
  name: "agent",
  summary: "One node in the foreground: what systemd runs",
  examples: [
    "nl agent --dir /var/lib/nl/n1",
    "nl agent --join TOKEN --addr 10.0.0.1:7181 --dir /var/lib/nl/n2 --listen 10.0.0.2:7171",
    "nl agent --ephemeral",
  ],
  args: {
    dir: { type: "string", valueHint: "DIR", description: "The node's data directory" },
    ephemeral: { type: "boolean", description: "Keep everything in memory: lost when it stops" },
    ...JOIN_ARGS,
    roles: { type: "string", valueHint: "LIST", description: "server, or server,worker (default)" },
    driver: { type: "string", valueHint: "NAME", description: `${DRIVERS.join(", ")}` },
    slots: { type: "string", valueHint: "N", description: "Tasks at a time (default 2 a core)" },
    "min-free": {
      type: "string",
      valueHint: "SIZE",
      description: "Take no new jobs with less room on the disk (default 512Mi)",
    },
    "no-campaign": {
      type: "boolean",
      description: "Lead only when told to: never by itself",
    },
    record: {
      type: "string",
      valueHint: "FILE",
      description: "Record every input of the Raft core, for replay",
    },
    "record-bytes": {
      type: "string",
      valueHint: "SIZE",
      description: "Keep the last so much of it (default 256Mi)",
    },
    ...SNAPSHOT_ARGS,
    "log-level": { type: "string", valueHint: "LEVEL", description: "debug, info, warn or error" },
  },
  run: runAgent,
});

const LEVELS = ["debug", "info", "warn", "error"] as const;

async function runAgent(invocation: Invocation, world: World): Promise<number> {
  const isEphemeral = invocation.isSet("ephemeral");
  const given = invocation.text("dir");
  if (given === null && !isEphemeral) {
    throw new UsageError(
      "--dir is missing",
      "a local cluster: nl up; all in memory: nl agent --ephemeral",
    );
  }
  const config = configOf(invocation, world);
  const servesOnly = rolesOf(invocation) === "server";
  const place = given === null ? await ephemeralDirectory(world) : null;
  const directory = given ?? place?.nodeDirectory ?? "";
  try {
    if (given !== null) await joinOrMove(resolve(given), invocation, world);
    const logger = loggerOf(invocation);
    return await serve({ directory, isEphemeral, servesOnly, config, logger, world });
  } finally {
    await place?.remove();
  }
}

function configOf(invocation: Invocation, world: World): NodeConfig {
  const base = defaultNodeConfig({ cores: availableParallelism(), profile: "development" });
  const choice = invocation.text("driver") ?? "auto";
  const known = DRIVERS.find((driver) => driver === choice);
  if (known === undefined) {
    throw new UsageError(`unknown driver "${choice}"`, `one of: ${DRIVERS.join(", ")}`);
  }
  const slots = invocation.integer("slots", 1, 10_000) ?? base.slots;
  return {
    ...base,
    slots,
    minFreeBytes: minFreeOf(invocation) ?? base.minFreeBytes,
    campaigns: !invocation.isSet("no-campaign"),
    drivers: { ...base.drivers, choice: known },
    snapshots: snapshotSettings(invocation, world, base.snapshots),
    record: recordOf(invocation),
  };
}

function minFreeOf(invocation: Invocation): number | null {
  const given = invocation.text("min-free");
  if (given === null) return null;
  const size = parseSize(given);
  if (!size.ok) throw new UsageError(`--min-free ${size.error}, not "${given}"`);
  return size.value;
}

const RECORD_SIZE = "256Mi";
const RECORD_BYTES_MIN = 1024 * 1024;

function recordOf(invocation: Invocation): NodeConfig["record"] {
  const path = invocation.text("record");
  const size = invocation.text("record-bytes");
  if (path === null) {
    if (size !== null) throw new UsageError("--record-bytes needs --record FILE");
    return null;
  }
  const maxBytes = parseSize(size ?? RECORD_SIZE);
  if (!maxBytes.ok || maxBytes.value < RECORD_BYTES_MIN) {
    throw new UsageError(`--record-bytes takes a size of at least 1Mi, not "${size}"`);
  }
  return { path: resolve(path), maxBytes: maxBytes.value };
}

function rolesOf(invocation: Invocation): "server" | "server,worker" {
  const roles = invocation.text("roles") ?? "server,worker";
  if (roles === "server" || roles === "server,worker") return roles;
  throw new UsageError(`unknown roles "${roles}"`, "server, or server,worker");
}

function loggerOf(invocation: Invocation): NodeLogger {
  const wanted = invocation.text("log-level") ?? "info";
  const level = LEVELS.find((known) => known === wanted);
  if (level === undefined)
    throw new UsageError(`unknown log level "${wanted}"`, `one of: ${LEVELS.join(", ")}`);
  return bunLogger({ level, write: (line) => writeSync(2, line), fields: {} });
}

type Serving = {
  readonly directory: string;
  readonly isEphemeral: boolean;
  readonly servesOnly: boolean;
  readonly config: NodeConfig;
  readonly logger: NodeLogger;
  readonly world: World;
};

async function serve(options: Serving): Promise<number> {
  const { directory, isEphemeral, servesOnly, config, logger, world } = options;
  const stopping = world.interrupted;
  const [{ startNode }, { diskOf, openNode, openEphemeralNode }] = await Promise.all([
    import("../../engine/node.ts"),
    import("../../engine/open-node.ts"),
  ]);
  const opened = orFail(await (isEphemeral ? openEphemeralNode(directory) : openNode(directory)));
  const worker = servesOnly ? null : await taskHostOf(options, opened.identity.nodeId);
  const disk = diskOf({ directory: isEphemeral ? null : directory, ...config, logger });
  const node = orFail(
    await startNode({ ...opened, disk, worker, config, version: VERSION, logger }),
  );
  writeProcessFile(join(directory, "agent.json"), process.pid);
  logger.log("info", "serving", { node: opened.identity.nodeId, address: opened.rpcAddress });
  const asked = new Promise<"asked">((resolve) => {
    if (stopping.aborted) resolve("asked");
    stopping.addEventListener("abort", () => resolve("asked"), { once: true });
  });
  const end = await Promise.race([asked, node.failed, bug()]);
  if (end === "asked") {
    logger.log("info", "stopping; tasks go on");
    await node.stop();
    return 0;
  }
  logger.log("error", end.reason);
  world.err(`error: ${end.reason}\n`);
  return end.error === null ? EXIT_FAILED : EXIT_DISK;
}

/** What broke an invariant inside of the loop: the node stops, it does not guess. */
function bug(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  process.once("uncaughtException", reject);
  process.once("unhandledRejection", reject);
  return promise;
}

async function taskHostOf({ directory, config, logger }: Serving, nodeId: string) {
  const { TaskHostClient } = await import("../../engine/task-host/task-host-client.ts");
  const tasks = join(directory, "tasks");
  const { choice, plainAllowed } = config.drivers;
  return new TaskHostClient({
    directory: tasks,
    command: selfCommand(
      ...["task-host", "--dir", tasks, "--node", nodeId, "--driver", choice],
      ...["--min-free", String(config.minFreeBytes)],
      ...(plainAllowed ? ["--allow-plain"] : []),
    ),
    logger,
  });
}
