import type { Index, PeerId } from "../../engine/lib/ids.ts";
import { EMPTY_CONF } from "../../engine/raft/conf.ts";
import type { ConfChange, Input, Message, ProposeResult, Raft } from "../../engine/raft/types.ts";
import { type Command, flag, numberOption, numbers, parseCommand } from "./command.ts";
import { type Difference, differences } from "./compare.ts";
import { parseConfChange } from "./etcd-text.ts";
import { type Mail, Mailbox, type Meant, type Proposal } from "./mail.ts";
import type { Block, Mismatch } from "./scenario.ts";
import { type Done, ScenarioNode } from "./scenario-node.ts";

/** Ticks of etcd's scenario environment. */
const ELECTION_TICKS = 3;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const ROUNDS_MAX = 10_000;

/** Runs one of etcd's interaction scenarios against this core and compares, command by command. */
export function runScenario(blocks: readonly Block[]): Mismatch[] {
  const scenario = new Scenario();
  return blocks.flatMap((block, place) => {
    scenario.perform(block.cmd);
    const found = scenario.compare(block);
    return found.map((mismatch) => ({ block: place, cmd: block.cmd, ...mismatch }));
  });
}

/** The nodes of one scenario and the mail between them. */
export class Scenario {
  readonly #nodes = new Map<number, ScenarioNode>();
  readonly #timeouts = new Map<number, number>();
  readonly #leaseReaders = new Set<number>();
  readonly #mail = new Mailbox();
  #isDropped = false;
  readonly #actions: Readonly<Record<string, (command: Command) => void>> = {
    "add-nodes": (command) => this.#addNodes(command),
    campaign: (command) => this.#inputEach(command, { kind: "campaign" }),
    compact: ({ args: [id, index] }) => this.#node(id).compact(Number(index) as Index),
    "deliver-msgs": (command) => this.#deliver(command),
    "forget-leader": (command) => this.#forgetLeader(command),
    "process-append-thread": (command) =>
      this.#each(command, (node) => this.#finish(node, node.processAppendThread())),
    "process-apply-thread": (command) =>
      this.#each(command, (node) => this.#finish(node, node.processApplyThread())),
    "process-ready": (command) => this.#each(command, (node) => this.#send(node.processReady())),
    propose: ({ args: [id, ...words] }) => this.#propose(this.#node(id), dataOf(words.join(" "))),
    "propose-conf-change": (command) => this.#proposeConf(command),
    "report-unreachable": ({ args: [id, peer] }) =>
      this.#input(this.#node(id), { kind: "unreachable", peer: Number(peer) as PeerId }),
    "send-snapshot": ({ args: [from, to] }) => this.#sendSnapshot(Number(from), Number(to)),
    "set-randomized-election-timeout": (command) =>
      this.#each(command, ({ id }) => this.#timeouts.set(id, required(command, "timeout"))),
    stabilize: (command) => this.#stabilize(command),
    "tick-election": (command) => this.#tick(command, ELECTION_TICKS),
    "tick-heartbeat": (command) => this.#tick(command, 1),
    "transfer-leadership": (command) =>
      this.#propose(this.#node(required(command, "from")), {
        kind: "transfer",
        to: required(command, "to") as PeerId,
      }),
    // Read when the block is compared.
    "raft-log": (command) => this.#each(command, () => undefined),
    "raft-state": () => undefined,
    status: (command) => this.#each(command, () => undefined),
    // About what etcd prints.
    "log-level": () => undefined,
    _breakpoint: () => undefined,
  };

  perform(cmd: string): void {
    const command = parseCommand(cmd);
    const action = this.#actions[command.name];
    if (action === undefined) throw new Error(`unknown command: ${command.name}`);
    this.#isDropped = false;
    for (const node of this.#nodes.values()) node.forgetObserved();
    action(command);
  }

  /** What the last command did, beside what `block` expects. */
  compare(block: Block): readonly Difference[] {
    return differences(block, (id) => this.#node(id), this.#isDropped);
  }

  #node(id: string | number | undefined): ScenarioNode {
    const node = this.#nodes.get(Number(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  #each({ args }: Command, action: (node: ScenarioNode) => void): void {
    for (const id of args) action(this.#node(id));
  }

  #input(node: ScenarioNode, input: Input): void {
    node.input((raft) => raft.input(input));
  }

  #inputEach(command: Command, input: Input): void {
    this.#each(command, (node) => this.#input(node, input));
  }

  #addNodes(command: Command): void {
    const { args, options } = command;
    const index = numberOption(command, "index", 0) as Index;
    const voters = numbers(options.get("voters")) as readonly PeerId[];
    const learners = numbers(options.get("learners")) as readonly PeerId[];
    const isBootstrapped = index > 0 || voters.length > 0 || learners.length > 0;
    for (let i = 0; i < Number(args[0]); i++) {
      const id = this.#nodes.size + 1;
      if (options.get("read-only")?.[0] === "lease-based") this.#leaseReaders.add(id);
      const node = new ScenarioNode({
        config: this.#config(id, command),
        conf: isBootstrapped ? { ...EMPTY_CONF, voters, learners } : null,
        index,
        async: flag(command, "async-storage-writes"),
        maxCommittedBytes: numberOption(command, "max-committed-size-per-ready", NO_LIMIT),
      });
      this.#nodes.set(id, node);
    }
  }

  #config(id: number, command: Command): ConstructorParameters<typeof ScenarioNode>[0]["config"] {
    return {
      id: id as PeerId,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      // The longest timeout, unless a scenario asks for another one.
      rng: { below: (n) => (this.#timeouts.get(id) ?? ELECTION_TICKS + n - 1) - ELECTION_TICKS },
      preVote: flag(command, "prevote"),
      checkQuorum: flag(command, "checkquorum"),
      stepDownOnRemoval: flag(command, "step-down-on-removal"),
      maxInflightMsgs: numberOption(command, "inflight", NO_LIMIT),
      maxInflightBytes: NO_LIMIT,
      maxMsgBytes: NO_LIMIT,
      maxUncommittedBytes: NO_LIMIT,
      maxApplyEntries: NO_LIMIT,
      maxApplyLag: NO_LIMIT,
      learnerPromoteLag: NO_LIMIT,
      maxCatchUpEntries: 0,
    };
  }

  #tick(command: Command, times: number): void {
    this.#each(command, (node) => {
      for (let i = 0; i < times; i++) node.tick();
    });
  }

  #proposeConf(command: Command): void {
    const transition = command.options.get("transition")?.[0] ?? "auto";
    const change = parseConfChange(command.body, {
      isV1: flag(command, "v1"),
      transition: transition as ConfChange["transition"],
    });
    this.#propose(this.#node(command.args[0]), { kind: "conf", change });
  }

  /** A follower of etcd's passes on to its leader what only that one can do. */
  #propose(node: ScenarioNode, proposal: Proposal): void {
    const { role, leader } = node.status;
    if (role === "follower" && leader > 0) {
      this.#mail.post({ kind: "proposal", to: leader, proposal });
      return;
    }
    const result = node.input((raft) => proposeTo(raft, proposal));
    if (result?.ok === false) this.#isDropped = true;
  }

  /** With reads by lease etcd ignores this; nl has no such reads. */
  #forgetLeader(command: Command): void {
    this.#each(command, (node) => {
      if (!this.#leaseReaders.has(node.id)) this.#input(node, { kind: "forget-leader" });
    });
  }

  #sendSnapshot(from: number, to: number): void {
    const { id, snapshot, status } = this.#node(from);
    const session = this.#mail.session(from, to);
    const { term } = status;
    this.#send([{ kind: "snapshot", from: id, to: to as PeerId, term, session, snapshot }]);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) this.#mail.post({ kind: "message", to: message.to, message });
  }

  /** Another's replies leave; what the node itself is told, is delivered like a message. */
  #finish(node: ScenarioNode, done: Done | null): void {
    if (done === null) return;
    this.#send(done.replies);
    this.#mail.post({ kind: "notice", to: node.id, tell: done.tell });
  }

  #deliver({ args, options }: Command): void {
    const type = options.get("type")?.[0] ?? null;
    for (const id of numbers(args)) this.#deliverTo({ id, type, drop: false });
    for (const id of numbers(options.get("drop"))) this.#deliverTo({ id, type, drop: true });
  }

  /** True when there was something to deliver. */
  #deliverTo(meant: Meant): boolean {
    const mail = this.#mail.collect(meant);
    if (!meant.drop) for (const each of mail) this.#hand(each);
    return mail.length > 0;
  }

  #hand(mail: Mail): void {
    const node = this.#node(mail.to);
    if (mail.kind === "message") node.step(mail.message);
    else if (mail.kind === "proposal") this.#propose(node, mail.proposal);
    else mail.tell();
  }

  #stabilize({ args }: Command): void {
    const ids = args.length > 0 ? numbers(args) : [...this.#nodes.keys()];
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (!this.#stabilizeOnce(ids)) return;
    }
    throw new Error("the scenario does not stabilise");
  }

  /** True when anything moved. */
  #stabilizeOnce(ids: readonly number[]): boolean {
    const nodes = ids.map((id) => this.#node(id));
    let moved = false;
    for (const node of nodes) {
      if (!node.hasReady()) continue;
      this.#send(node.processReady());
      moved = true;
    }
    for (const id of ids) moved = this.#deliverTo({ id, type: null, drop: false }) || moved;
    for (const node of nodes) {
      while (node.hasAppendWork) {
        this.#finish(node, node.processAppendThread());
        moved = true;
      }
    }
    for (const node of nodes) {
      while (node.hasApplyWork) {
        this.#finish(node, node.processApplyThread());
        moved = true;
      }
    }
    return moved;
  }
}

const dataOf = (text: string): Proposal => ({ kind: "data", data: new TextEncoder().encode(text) });

/** etcd replaces a change of membership that it refuses by an empty entry. */
function proposeTo(raft: Raft, proposal: Proposal): ProposeResult | null {
  if (proposal.kind === "transfer") return raft.input(proposal);
  if (proposal.kind === "data") return raft.propose([proposal.data]);
  const result = raft.proposeConf(proposal.change);
  const isRefused =
    !result.ok && (result.reason === "conf-pending" || result.reason === "conf-invalid");
  return isRefused ? raft.propose([new Uint8Array(0)]) : result;
}

function required(command: Command, name: string): number {
  const value = command.options.get(name)?.[0];
  if (value === undefined) throw new Error(`${command.name}: ${name} is missing`);
  return Number(value);
}
