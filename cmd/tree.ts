import { group, type OtherWords } from "./command.ts";

const WORDS: OtherWords = {
  aliases: { list: "ps", kill: "cancel", server: "agent" },
  guesses: {
    jobs: "ps",
    job: "ps",
    ls: "ps",
    nodes: "node ls",
    start: "up",
    stop: "down",
    exec: "run",
    log: "logs",
    describe: "inspect",
    get: "inspect",
    rm: "cancel",
    delete: "cancel",
    watch: "top",
    leader: "cluster status",
    transfer: "transfer-leader",
    backup: "snapshot save",
    restore: "snapshot restore",
  },
};

/** The command tree as it is typed (DESIGN §5). Commands are loaded only when they run. */
export const tree = group(
  {
    meta: { name: "nl", description: "nl: a terminal-first distributed job scheduler" },
    subCommands: {
      up: async () => (await import("./commands/up.ts")).up,
      down: async () => (await import("./commands/down.ts")).down,
      status: async () => (await import("./commands/status.ts")).status,
      top: async () => (await import("./commands/top.ts")).top,
      run: async () => (await import("./commands/run.ts")).run,
      submit: async () => (await import("./commands/submit.ts")).submit,
      ps: async () => (await import("./commands/ps.ts")).ps,
      inspect: async () => (await import("./commands/inspect.ts")).inspect,
      logs: async () => (await import("./commands/logs.ts")).logs,
      wait: async () => (await import("./commands/wait.ts")).wait,
      cancel: async () => (await import("./commands/cancel.ts")).cancel,
      node: () =>
        group({
          meta: { name: "node", description: "Nodes of the cluster" },
          subCommands: {
            ls: async () => (await import("./commands/node-ls.ts")).nodeLs,
            kill: async () => (await import("./commands/node-kill.ts")).nodeKill,
            start: async () => (await import("./commands/node-start.ts")).nodeStart,
          },
        }),
      drain: async () => (await import("./commands/drain.ts")).drain,
      undrain: async () => (await import("./commands/undrain.ts")).undrain,
      cluster: () =>
        group({
          meta: { name: "cluster", description: "The Raft group behind the cluster" },
          subCommands: {
            status: async () => (await import("./commands/cluster-status.ts")).clusterStatus,
            members: async () => (await import("./commands/cluster-members.ts")).clusterMembers,
            init: async () => (await import("./commands/cluster-init.ts")).clusterInit,
            join: async () => (await import("./commands/cluster-join.ts")).clusterJoin,
            leave: async () => (await import("./commands/cluster-leave.ts")).clusterLeave,
            promote: async () => (await import("./commands/cluster-promote.ts")).clusterPromote,
            log: async () => (await import("./commands/cluster-log.ts")).clusterLog,
            repair: async () => (await import("./commands/cluster-repair.ts")).clusterRepair,
            recover: async () => (await import("./commands/cluster-recover.ts")).clusterRecover,
          },
        }),
      "transfer-leader": async () => (await import("./commands/transfer-leader.ts")).transferLeader,
      snapshot: () =>
        group({
          meta: { name: "snapshot", description: "The jobs of a cluster in one file" },
          subCommands: {
            save: async () => (await import("./commands/snapshot-save.ts")).snapshotSave,
            inspect: async () => (await import("./commands/snapshot-inspect.ts")).snapshotInspect,
            restore: async () => (await import("./commands/snapshot-restore.ts")).snapshotRestore,
          },
        }),
      certs: () =>
        group({
          meta: { name: "certs", description: "Certificates of nodes and users" },
          subCommands: { init: async () => (await import("./commands/certs-init.ts")).certsInit },
        }),
      agent: async () => (await import("./commands/agent.ts")).agent,
      "task-host": async () => (await import("./commands/task-host.ts")).taskHost,
      version: async () => (await import("./commands/version.ts")).version,
    },
  },
  WORDS,
);
