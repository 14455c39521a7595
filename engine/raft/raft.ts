import { assert, unreachable } from "../lib/assert.ts";
import { type Index, NOBODY, type PeerId } from "../lib/ids.ts";
import { onApplied, onFetchedForApply } from "./apply.ts";
import { advanceCommit } from "./commit.ts";
import { type Core, type CoreImage, coreFromImage, createCore, imageOf, trace } from "./core.ts";
import { healWhenWhole } from "./damage.ts";
import { campaign } from "./election.ts";
import { onFetchedForMember } from "./flush.ts";
import { checkedOptions, type Options } from "./options.ts";
import { notePersisted } from "./persist.ts";
import { onPropose, onProposeConf } from "./propose.ts";
import { onRead } from "./read-index.ts";
import { onUnreachable } from "./replication.ts";
import { leaveRole, setLeader } from "./role.ts";
import { onSnapshotCreated, onSnapshotSent } from "./snapshot.ts";
import { statusOf } from "./status.ts";
import { onMessage } from "./step.ts";
import { releaseDurable, takeEffects } from "./take.ts";
import { onTick, quietTicks } from "./tick.ts";
import { onTransfer } from "./transfer.ts";
import type {
  Boot,
  ConfChange,
  Effects,
  Entry,
  Input,
  Message,
  ProposeResult,
  Raft,
  RaftConfig,
  Seq,
  Status,
} from "./types.ts";

/** A configuration that cannot work: the caller's mistake, said before anything runs. */
export class RaftConfigError extends Error {
  override readonly name = "RaftConfigError";
}

/** A node that a recording can begin with in the middle of its life. */
export type ImagedRaft = Raft & { image(): CoreImage };

/** One Raft node, as loaded from disk. Throws `RaftConfigError` for a configuration that cannot work. */
export function createRaft(config: RaftConfig, boot: Boot): ImagedRaft {
  const core = createCore(optionsOf(config), boot);
  trace(core, "init");
  return new RaftNode(core);
}

/** The node that `image` was taken of, to go on from there: for replay, never from disk. */
export function restoreRaft(config: RaftConfig, image: CoreImage): ImagedRaft {
  return new RaftNode(coreFromImage(optionsOf(config), image));
}

function optionsOf(config: RaftConfig): Options {
  const options = checkedOptions(config);
  if (!options.ok) throw new RaftConfigError(options.error);
  return options.value;
}

/** The one door in. Nothing is re-entrant, and after a broken invariant nothing works any more. */
class RaftNode implements ImagedRaft {
  readonly #core: Core;
  #busy = false;

  constructor(core: Core) {
    this.#core = core;
  }

  get commit(): Index {
    return this.#core.commit;
  }

  get lastIndex(): Index {
    return this.#core.log.lastIndex;
  }

  tick(): void {
    this.#run((core) => onTick(core));
  }

  quietTicks(): number {
    return quietTicks(this.#core);
  }

  step(message: Message): void {
    this.#enter();
    if (this.#core.role !== "halted") onMessage(this.#core, message);
    this.#busy = false;
  }

  propose(data: readonly Uint8Array[]): ProposeResult {
    this.#enter();
    const result = onPropose(this.#core, data);
    this.#busy = false;
    return result;
  }

  proposeConf(change: ConfChange): ProposeResult {
    this.#enter();
    const result = onProposeConf(this.#core, change);
    this.#busy = false;
    return result;
  }

  read(ctx: number): void {
    this.#enter();
    onRead(this.#core, ctx);
    this.#busy = false;
  }

  persisted(seq: Seq): void {
    this.#run((core) => {
      notePersisted(core, seq);
      releaseDurable(core);
      advanceCommit(core);
      healWhenWhole(core);
    });
  }

  applied(index: Index): void {
    this.#run((core) => onApplied(core, index));
  }

  take(): Effects | null {
    this.#enter();
    const effects = takeEffects(this.#core);
    this.#busy = false;
    return effects;
  }

  status(): Status {
    return statusOf(this.#core);
  }

  image(): CoreImage {
    assert(!this.#busy, "an image is taken between two inputs");
    return imageOf(this.#core);
  }

  input(input: Input): ProposeResult | null {
    switch (input.kind) {
      case "propose":
        return this.propose(input.data);
      case "propose-conf":
        return this.proposeConf(input.change);
      case "tick":
        this.tick();
        return null;
      case "message":
        this.step(input.message);
        return null;
      case "read":
        this.read(input.ctx);
        return null;
      case "persisted":
        this.persisted(input.seq);
        return null;
      case "applied":
        this.applied(input.index);
        return null;
      default:
        this.#run((core) => onRareInput(core, input));
        return null;
    }
  }

  #run(action: (core: Core) => void): void {
    this.#enter();
    // A halted node does nothing any more, whatever still comes back from disk or network.
    if (this.#core.role !== "halted") action(this.#core);
    this.#busy = false;
  }

  #enter(): void {
    assert(!this.#busy, "the core is not re-entrant, and not usable after a broken invariant");
    this.#busy = true;
  }
}

type RareInput = Exclude<
  Input,
  { kind: "propose" | "propose-conf" | "tick" | "message" | "read" | "persisted" | "applied" }
>;

function onRareInput(core: Core, input: RareInput): void {
  switch (input.kind) {
    case "transfer":
      onTransfer(core, input.to);
      return;
    case "campaign":
      campaign(core);
      return;
    case "forget-leader":
      forgetLeader(core);
      return;
    case "fetched":
      onFetched(core, input.id, input.result);
      return;
    case "snapshot-created":
      onSnapshotCreated(core, input.snapshot, input.keepFrom);
      return;
    case "snapshot-sent":
      onSnapshotSent(core, input);
      return;
    case "unreachable":
      onUnreachable(core, input.peer);
      return;
    case "storage-failed":
      halt(core);
      return;
    default:
      unreachable(input);
  }
}

/** The leader's process is gone: vote freely, without waiting for the timer (contract 17). */
function forgetLeader(core: Core): void {
  if (core.role === "follower") setLeader(core, NOBODY);
}

function onFetched(core: Core, id: number, result: readonly Entry[] | "compacted"): void {
  if (id === core.apply.fetchId) {
    onFetchedForApply(core, result);
    return;
  }
  for (const member of core.progress.values()) {
    if (member.fetchId === id) onFetchedForMember(core, member, result);
  }
}

/** Fail-stop (contract 13): nothing this node has said or will say may leave any more. */
function halt(core: Core): void {
  leaveRole(core);
  core.role = "halted";
  setLeader(core, NOBODY as PeerId);
  core.persist.gated = [];
  core.persist.gatedByNext = [];
  core.out.messages = [];
  core.out.sendSnapshots = [];
  core.out.fetches = [];
  core.out.restore = null;
  trace(core, "halt");
}
