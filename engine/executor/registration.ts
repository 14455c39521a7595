import type { NlError } from "../lib/error-code.ts";
import type { Index } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { NodeRecord } from "../state/cluster-state.ts";
import type { RegisterNode } from "../state/command.ts";
import type { ExecutorOptions } from "./executor.ts";
import { RepeatedCall } from "./repeated-call.ts";
import type { TaskTable } from "./task-table.ts";

/**
 * Says what this node is and what it can run, until the replicated table says so, too. A worker
 * begins when its task host is there: before, it does not know its drivers.
 */
export class Registration {
  readonly #options: ExecutorOptions;
  readonly #tasks: TaskTable;
  readonly #onRegistered: () => void;
  readonly #call: RepeatedCall;
  #isUnderWay = false;
  #refusal = "";

  /** `onRegistered`: the leader knows this node now, and would grant it a lease. */
  constructor(options: ExecutorOptions, tasks: TaskTable, onRegistered: () => void) {
    this.#options = options;
    this.#tasks = tasks;
    this.#onRegistered = onRegistered;
    this.#call = new RepeatedCall({
      clock: options.clock,
      timers: options.timers,
      random: options.random,
      periodMillis: options.settings.repeatMillis,
      failedMillis: options.settings.failedCallMillis,
      call: () => this.#register(),
    });
  }

  /** Registers if the table does not show this node as it is. Called on every look. */
  consider(): void {
    if (this.#isUnderWay || this.#isShown()) return;
    this.#isUnderWay = true;
    this.#call.now();
  }

  /** Entries were applied here: there may be a leader again. */
  nudge(): void {
    if (this.#isUnderWay) this.#call.nudge();
  }

  stop(): void {
    this.#call.stop();
  }

  #register(): void {
    if (this.#isShown()) {
      this.#isUnderWay = false;
      this.#call.pause();
      return;
    }
    const node = this.#wanted();
    if (node === null) return;
    this.#options.controlLink.register(node, (answer) => this.#onAnswer(answer));
  }

  #onAnswer(answer: Result<Index, NlError>): void {
    if (answer.ok) {
      this.#call.succeeded();
      this.#onRegistered();
      return;
    }
    const { code, message, hint } = answer.error;
    if (code === "refused" && message !== this.#refusal) {
      this.#refusal = message;
      this.#options.logger.log("error", message, { hint });
    }
    this.#call.failed();
  }

  #isShown(): boolean {
    const wanted = this.#wanted();
    const shown = this.#options.feed.view.nodes.get(this.#options.nodeId);
    return wanted === null || (shown !== undefined && isSame(shown, wanted));
  }

  #wanted(): RegisterNode | null {
    const { registration, nodeId } = this.#options;
    if (!registration.roles.includes("worker")) return { ...registration, nodeId, drivers: [] };
    const { drivers } = this.#tasks;
    if (drivers === null) return null;
    const usable = drivers.filter((driver) => driver.usable).map((driver) => driver.name);
    return { ...registration, nodeId, drivers: usable };
  }
}

function isSame(shown: NodeRecord, wanted: RegisterNode): boolean {
  return shown.registered && describe(shown) === describe(wanted);
}

function describe(node: Omit<RegisterNode, "nodeId" | "peerId">): string {
  const labels = Object.entries(node.labels).sort(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify([
    node.storeId,
    node.roles,
    node.rpcAddress,
    node.httpAddress,
    node.cpuMillis,
    node.memoryBytes,
    node.slots,
    node.drivers,
    labels,
    node.featureLevel,
    node.version,
  ]);
}
