import type { Index, PeerId } from "../../engine/lib/ids.ts";
import type { ConfChange, ConfState, Message, ProposeResult } from "../../engine/raft/types.ts";
import { messageType, parseChanges, progressStateText, roleText, V1_CONTEXT } from "./etcd-text.ts";
import { type Block, type Command, flag, numbers, parseCommand } from "./scenario.ts";
import { ScenarioNode } from "./scenario-node.ts";

/** Something etcd printed and this core did otherwise. */
export type Mismatch = {
  readonly block: number;
  readonly cmd: string;
  readonly what: string;
  readonly expected: unknown;
  readonly actual: unknown;
};

/** Ticks of etcd's scenario environment. */
const ELECTION_TICKS = 3;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const ROUNDS_MAX = 10_000;
const DROPPED = "raft proposal dropped";

/** Runs one of etcd's interaction scenarios against this core and compares, command by command. */
export function runScenario(blocks: readonly Block[]): Mismatch[] {
  const scenario = new Scenario();
  return blocks.flatMap((block, place) =>
    scenario.run(block).map((mismatch) => ({ block: place, cmd: block.cmd, ...mismatch })),
  );
}

type Difference = Omit<Mismatch, "block" | "cmd">;
type Action = (command: Command) => void;

class Scenario {
  readonly #nodes = new Map<number, ScenarioNode>();
  readonly #timeouts = new Map<number, number>();
  readonly #leaseReaders = new Set<number>();
  /** The session last used from one node to another: for snapshots made by hand. */
  readonly #sessions = new Map<string, number>();
  #messages: Message[] = [];
  #isDropped = false;
  readonly #actions: Readonly<Record<string, Action>> = {
    "add-nodes": (command) => this.#addNodes(command),
    campaign: (command) => this.#each(command, (node) => node.raft.input({ kind: "campaign" })),
    compact: ({ args: [id, index] }) => this.#node(id).compact(Number(index) as Index),
    "deliver-msgs": (command) => this.#deliver(command),
    "forget-leader": (command) => this.#forgetLeader(command),
    "process-append-thread": (command) =>
      this.#each(command, (node) => this.#post(node.processAppendThread())),
    "process-apply-thread": (command) => this.#each(command, (node) => node.processApplyThread()),
    "process-ready": (command) => this.#each(command, (node) => this.#post(node.processReady())),
    propose: ({ args: [id, data = ""] }) => this.#propose(this.#node(id), data),
    "propose-conf-change": (command) => this.#proposeConf(command),
    "report-unreachable": ({ args: [id, peer] }) =>
      this.#node(id).raft.input({ kind: "unreachable", peer: Number(peer) as PeerId }),
    "send-snapshot": ({ args: [from, to] }) => this.#sendSnapshot(Number(from), Number(to)),
    "set-randomized-election-timeout": ({ args: [id], options }) =>
      this.#timeouts.set(Number(id), Number(options.get("timeout")?.[0])),
    stabilize: (command) => this.#stabilize(command),
    "tick-election": (command) => this.#tick(command, ELECTION_TICKS),
    "tick-heartbeat": (command) => this.#tick(command, 1),
    "transfer-leadership": ({ options }) =>
      this.#node(options.get("from")?.[0]).raft.input({
        kind: "transfer",
        to: Number(options.get("to")?.[0]) as PeerId,
      }),
    // Read below, when the block is compared.
    "raft-log": () => undefined,
    "raft-state": () => undefined,
    status: () => undefined,
    "log-level": () => undefined,
    _breakpoint: () => undefined,
  };

  run(block: Block): readonly Difference[] {
    const command = parseCommand(block.cmd);
    const action = this.#actions[command.name];
    if (action === undefined) throw new Error(`unknown command: ${command.name}`);
    this.#isDropped = false;
    for (const node of this.#nodes.values()) node.forgetObserved();
    action(command);
    return this.#compare(block);
  }

  /** Only what etcd printed is compared: with its log silenced it prints nothing. */
  #compare(block: Block): readonly Difference[] {
    const found = [
      ...this.#compareObserved(block),
      ...this.#compareAsked(block),
      ...this.#compareProgress(block),
    ];
    if (block.text !== undefined) {
      const expected = block.text.includes(DROPPED);
      found.push({ what: "proposal dropped", expected, actual: this.#isDropped });
    }
    return found.filter(({ expected, actual }) => !Bun.deepEquals(expected, actual));
  }

  #compareObserved(block: Block): readonly Difference[] {
    return (["soft", "hs", "entries", "committed"] as const).flatMap((what) =>
      Object.entries(block[what] ?? {}).map(([id, expected]) => {
        const actual = this.#node(id).observed[what];
        return { what: `${what} of ${id}`, expected, actual };
      }),
    );
  }

  #compareAsked({ raftlog = {}, raftstate = {} }: Block): readonly Difference[] {
    const logs = Object.entries(raftlog).map(([id, expected]) => ({
      what: `log of ${id}`,
      expected,
      actual: this.#node(id).log,
    }));
    const states = Object.entries(raftstate).map(([id, expected]) => ({
      what: `state of ${id}`,
      expected,
      actual: this.#raftState(id),
    }));
    return [...logs, ...states];
  }

  #compareProgress({ status = {} }: Block): readonly Difference[] {
    return Object.entries(status).map(([id, members]) => ({
      what: `progress seen by ${id}`,
      expected: Object.fromEntries(
        Object.entries(members).map(([member, { state, match }]) => [member, { state, match }]),
      ),
      actual: this.#status(id),
    }));
  }

  #raftState(id: string): unknown {
    const { role, leader, term, conf } = this.#node(id).raft.status();
    const voter = conf.voters.includes(Number(id) as PeerId);
    return { role: roleText(role), voter, term, lead: leader };
  }

  #status(id: string): Readonly<Record<string, unknown>> {
    const { progress } = this.#node(id).raft.status();
    return Object.fromEntries(
      progress.map((each) => [
        each.id,
        { state: progressStateText(each.state), match: each.match },
      ]),
    );
  }

  #node(id: string | number | undefined): ScenarioNode {
    const node = this.#nodes.get(Number(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  #each({ args }: Command, action: (node: ScenarioNode) => void): void {
    for (const id of args) action(this.#node(id));
  }

  #addNodes(command: Command): void {
    const { args, options } = command;
    const index = Number(options.get("index")?.[0] ?? 0) as Index;
    const voters = numbers(options.get("voters")) as readonly PeerId[];
    const learners = numbers(options.get("learners")) as readonly PeerId[];
    const conf: ConfState = {
      voters,
      votersOutgoing: [],
      learners,
      learnersNext: [],
      autoLeave: false,
    };
    for (let i = 0; i < Number(args[0]); i++) {
      const id = this.#nodes.size + 1;
      const isBootstrapped = index > 0 || voters.length > 0;
      if (options.get("read-only")?.[0] === "lease-based") this.#leaseReaders.add(id);
      const node = new ScenarioNode({
        config: this.#config(id, command),
        conf: isBootstrapped ? conf : null,
        index,
        async: flag(command, "async-storage-writes"),
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
      maxInflightMsgs: Number(command.options.get("inflight")?.[0] ?? NO_LIMIT),
      maxInflightBytes: NO_LIMIT,
      maxMsgBytes: NO_LIMIT,
      maxUncommittedBytes: NO_LIMIT,
      maxApplyEntries: NO_LIMIT,
      maxApplyLag: NO_LIMIT,
      learnerPromoteLag: NO_LIMIT,
    };
  }

  #tick(command: Command, times: number): void {
    this.#each(command, ({ raft }) => {
      for (let i = 0; i < times; i++) raft.tick();
    });
  }

  #propose({ raft }: ScenarioNode, data: string): void {
    this.#noteResult(raft.propose([new TextEncoder().encode(data)]));
  }

  #noteResult(result: ProposeResult): void {
    this.#isDropped = !result.ok;
  }

  /** etcd replaces a change that it refuses by an empty entry. */
  #proposeConf(command: Command): void {
    const node = this.#node(command.args[0]);
    const transition = command.options.get("transition")?.[0] ?? "auto";
    const result = node.raft.proposeConf({
      changes: parseChanges(command.body),
      transition: transition as ConfChange["transition"],
      context: flag(command, "v1") ? V1_CONTEXT : new Uint8Array(0),
    });
    const isRefused =
      !result.ok && (result.reason === "conf-pending" || result.reason === "conf-invalid");
    if (isRefused) this.#propose(node, "");
    else this.#noteResult(result);
  }

  /** With reads by lease etcd ignores this; nl has no such reads. */
  #forgetLeader(command: Command): void {
    this.#each(command, (node) => {
      if (!this.#leaseReaders.has(node.id)) node.raft.input({ kind: "forget-leader" });
    });
  }

  #sendSnapshot(from: number, to: number): void {
    const node = this.#node(from);
    this.#post([
      {
        kind: "snapshot",
        from: node.id,
        to: to as PeerId,
        term: node.raft.status().term,
        session: this.#sessions.get(`${from}>${to}`) ?? 0,
        snapshot: node.snapshot,
      },
    ]);
  }

  #post(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === "append" || message.kind === "heartbeat") {
        this.#sessions.set(`${message.from}>${message.to}`, message.session);
      }
      this.#messages.push(message);
    }
  }

  #deliver({ args, options }: Command): void {
    const type = options.get("type")?.[0] ?? null;
    const dropped = numbers(options.get("drop"));
    for (const id of numbers(args)) this.#deliverTo(id, { type, drop: false });
    for (const id of dropped) this.#deliverTo(id, { type, drop: true });
  }

  /** True when there was something to deliver. */
  #deliverTo(id: number, how: { readonly type: string | null; readonly drop: boolean }): boolean {
    const isMeant = (message: Message): boolean =>
      message.to === id && (how.type === null || how.type === messageType(message));
    const meant = this.#messages.filter(isMeant);
    this.#messages = this.#messages.filter((message) => !isMeant(message));
    if (!how.drop) {
      for (const message of meant) this.#nodes.get(id)?.raft.step(message);
    }
    return meant.length > 0;
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
      this.#post(node.processReady());
      moved = true;
    }
    for (const id of ids) moved = this.#deliverTo(id, { type: null, drop: false }) || moved;
    for (const node of nodes) {
      while (node.hasAppendWork) {
        this.#post(node.processAppendThread());
        moved = true;
      }
    }
    for (const node of nodes) {
      while (node.hasApplyWork) {
        node.processApplyThread();
        moved = true;
      }
    }
    return moved;
  }
}
