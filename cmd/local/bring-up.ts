import type { Client, ClusterStatus, Node } from "../../engine/client/client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import { TASK_HOST_AWAY } from "../../engine/lib/node-warnings.ts";
import { connectTo } from "../connect.ts";
import { Interrupted } from "../interrupted.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import type { World } from "../world.ts";
import { addressOf, clientDirectory, type LocalNode } from "./cluster-file.ts";
import { rememberLeader } from "./last-leader.ts";
import { agentPid, logSince } from "./node-process.ts";
import { type StartedNode, type Starting, startMissing } from "./start-nodes.ts";
import { counted, mergedWarnings, whyEnded } from "./start-report.ts";
import { stopWhatStarted } from "./stop-what-started.ts";

const START_LIMIT_MILLIS = 20_000;
const ASK_LIMIT_MILLIS = 2_000;
const POLL_MILLIS = 25;
/** A node serves without its task host: after this long its absence is a warning. */
const HOST_PATIENCE_MILLIS = 8_000;

export type BringUp = Starting & { readonly world: World };

export type Up = {
  readonly leaderId: string;
  /** Nodes that do not run. */
  readonly missing: readonly string[];
};

/**
 * Starts the nodes that do not run, and waits until a leader leads and each started node has caught
 * up and takes work. A node that does not start is named; without a quorum that is a failure.
 */
export async function bringUp(options: BringUp): Promise<Up> {
  const { root, cluster, world } = options;
  const undo = stopWhatStarted(root, world);
  const started = await startMissing(options);
  const client = await connectTo(
    cluster.nodes.map(addressOf),
    clientDirectory(root),
    START_LIMIT_MILLIS,
  );
  const { interrupted } = world;
  const closeNow = () => client.close();
  interrupted.addEventListener("abort", closeNow, { once: true });
  try {
    const leader = await untilUp(new Waiting(options, started, client));
    const leading = cluster.nodes.find(({ id }) => id === leader.leaderId);
    if (leading !== undefined) rememberLeader(root, addressOf(leading));
    const missing = cluster.nodes.filter(({ id }) => agentPid(root, id) === null);
    return { leaderId: leader.leaderId, missing: missing.map(({ id }) => id) };
  } catch (error) {
    if (!interrupted.aborted) throw error;
    await undo.now(started.map(({ node }) => node.id));
    throw new Interrupted("");
  } finally {
    undo.forget();
    interrupted.removeEventListener("abort", closeNow);
    client.close();
  }
}

async function untilUp(waiting: Waiting): Promise<ClusterStatus> {
  const { steps } = waiting.options;
  const leader = await steps.step(
    "waiting for a leader",
    () => waiting.leader(),
    ({ leaderId, term }) => `${leaderId} is leader, term ${term}`,
  );
  if (waiting.live.length > 0) {
    const { statuses, nodes } = await steps.step(
      "waiting for the nodes to catch up and take work",
      () => waiting.caughtUp(leader),
      (ready) => whatCaughtUp(waiting, ready),
    );
    const warnings = mergedWarnings(statuses);
    for (const warning of warnings) steps.warn(warning);
    if (warnings.length === 0) sayDrivers(waiting, nodes);
  }
  const { isNew, only } = waiting.options;
  if (!isNew && only === undefined && waiting.live.length > 0) await sayWhatResumed(waiting);
  return leader;
}

type Ready = { readonly statuses: readonly ClusterStatus[]; readonly nodes: readonly Node[] };

function whatCaughtUp({ live, options }: Waiting, { statuses }: Ready): string {
  const index = Math.max(...statuses.map(({ appliedIndex }) => appliedIndex));
  const names = live.map(({ node }) => node.id).join(" ");
  const all = options.cluster.nodes.length;
  const who = live.length === all ? `${all} of ${all}` : names;
  return `${who} in sync at index ${index}, ready for work`;
}

function sayDrivers({ options }: Waiting, nodes: readonly Node[]): void {
  const [best, ...others] = nodes[0]?.drivers ?? [];
  if (best === undefined) return;
  const also = others.length === 0 ? "" : ` (on request: ${others.join(", ")})`;
  options.steps.line(`  ✓ jobs run in ${best}${also}`);
}

async function sayWhatResumed({ options, client }: Waiting): Promise<void> {
  const { counts, appliedIndex } = orFail(await client.getStatus());
  if (counts === undefined) return;
  const jobs = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (jobs === 0) return;
  const open = counts.pending + counts.assigned + counts.running;
  const rest = open === 0 ? "" : `, ${open} not over yet`;
  options.steps.line(`  ✓ resumed: ${counted(jobs, "job")}, index ${appliedIndex}${rest}`);
}

/** What `nl up` waits for, and the nodes that ended meanwhile. */
class Waiting {
  readonly options: BringUp;
  readonly client: Client;
  readonly #started: readonly StartedNode[];
  readonly #from = performance.now();
  readonly #ended = new Set<string>();

  constructor(options: BringUp, started: readonly StartedNode[], client: Client) {
    this.options = options;
    this.#started = started;
    this.client = client;
  }

  /** The nodes that were started and did not end since. */
  get live(): readonly StartedNode[] {
    return this.#started.filter(({ node }) => !this.#ended.has(node.id));
  }

  leader(): Promise<ClusterStatus> {
    return this.#poll("there was no leader", async () => {
      const status = await this.client.getStatus();
      return status.ok && status.value.leaderId !== "" && status.value.ready ? status.value : null;
    });
  }

  /** Each started node was asked itself, and the cluster knows that it takes work. */
  async caughtUp(leader: ClusterStatus): Promise<Ready> {
    const asking = new Map<string, Client>();
    for (const { node } of this.live) asking.set(node.id, await this.#clientOf(node));
    try {
      return await this.#poll("some nodes were not ready", () => this.#ready(leader, asking));
    } finally {
      for (const client of asking.values()) client.close();
    }
  }

  #clientOf(node: LocalNode): Promise<Client> {
    const directory = clientDirectory(this.options.root);
    return connectTo([addressOf(node)], directory, ASK_LIMIT_MILLIS);
  }

  async #ready(leader: ClusterStatus, asking: ReadonlyMap<string, Client>): Promise<Ready | null> {
    const ids = this.live.map(({ node }) => node.id);
    const asked = ids.flatMap((id) => asking.get(id)?.getStatus() ?? []);
    const [listed, ...answers] = await Promise.all([this.client.listNodes(), ...asked]);
    const statuses = answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
    const isPatient = performance.now() - this.#from < HOST_PATIENCE_MILLIS;
    const isInSync = ({ ready, appliedIndex, warnings }: ClusterStatus) =>
      ready &&
      appliedIndex >= leader.commitIndex &&
      !(isPatient && warnings.includes(TASK_HOST_AWAY));
    if (!listed.ok || statuses.length < ids.length || !statuses.every(isInSync)) return null;
    const nodes = listed.value.nodes.filter(
      ({ id, liveness, version }) => ids.includes(id) && liveness !== "lost" && version !== "",
    );
    return nodes.length < ids.length ? null : { statuses, nodes };
  }

  async #poll<T>(late: string, ask: () => Promise<T | null>): Promise<T> {
    const deadline = performance.now() + START_LIMIT_MILLIS;
    for (;;) {
      const answer = await ask();
      if (this.options.world.interrupted.aborted) throw new Interrupted("");
      this.#noticeEnded();
      if (answer !== null) return answer;
      if (performance.now() > deadline) throw this.#tooSlow(late);
      await Bun.sleep(POLL_MILLIS);
    }
  }

  #noticeEnded(): void {
    const { root, cluster, only, steps } = this.options;
    for (const { node, logFrom } of this.live) {
      if (agentPid(root, node.id) !== null) continue;
      this.#ended.add(node.id);
      const sentence = `${node.id} did not start: ${whyEnded(logSince(root, node.id, logFrom))}`;
      if (only !== undefined) throw new NlFailure(nlError("refused", sentence, SEE_STATUS));
      steps.warn(sentence);
    }
    const running = cluster.nodes.filter(({ id }) => agentPid(root, id) !== null).length;
    const quorum = Math.floor(cluster.nodes.length / 2) + 1;
    if (running >= quorum || this.#ended.size === 0) return;
    throw new NlFailure(
      nlError(
        "refused",
        `${running} of ${cluster.nodes.length} nodes run, and a quorum needs ${quorum}`,
        "nothing is lost: mend what is said above, then nl up goes on from here",
      ),
    );
  }

  #tooSlow(late: string): NlFailure {
    const { root } = this.options;
    for (const { node, logFrom } of this.live) {
      this.options.steps.warn(`${node.id} last said:`);
      for (const line of logSince(root, node.id, logFrom).slice(-3)) {
        this.options.world.err(`      ${line}\n`);
      }
    }
    const limit = START_LIMIT_MILLIS / 1000;
    return new NlFailure(nlError("no_leader", `${late} within ${limit} s`, SEE_STATUS));
  }
}

const SEE_STATUS = "see: nl status";
