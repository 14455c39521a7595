import { assert } from "../lib/assert.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { ClusterState } from "./create-state.ts";
import { FEATURE_LEVEL } from "./feature-level.ts";
import { ByteReader } from "./snapshot-bytes.ts";
import { damaged, type Frame, FrameCutter, SECTIONS } from "./snapshot-frames.ts";
import {
  JOB_TAGS,
  MEMBER_TAGS,
  readAttempt,
  readEnd,
  readFormerNode,
  readHead,
  readJob,
  readJoinToken,
  readNode,
  type SnapshotEnd,
} from "./snapshot-records.ts";
import { NumberedSpecs } from "./spec-numbers.ts";
import { STATE_LIMITS, StateStore, type StoredJob } from "./state-store.ts";

/** What the loader is waiting for. */
export type LoadProgress = "more-bytes" | "more-work" | "whole";

/**
 * Makes a state from the bytes of a snapshot: feed it pieces of any size, then let it work in small
 * portions. Whatever is not exactly what a walk wrote is refused with one sentence.
 */
export class StateLoader {
  readonly #limits: StateStore["limits"];
  readonly #cutter = new FrameCutter();
  readonly #reader = new ByteReader();
  readonly #specs = new NumberedSpecs();
  #state: StateStore | null = null;
  /** The frame whose records are being read. */
  #frame: Frame | null = null;
  #job: StoredJob | null = null;
  #attemptCount = 0;
  #isWhole = false;

  constructor(limits = STATE_LIMITS) {
    this.#limits = limits;
  }

  feed(bytes: Uint8Array): void {
    assert(this.#frame === null, "bytes are fed when the loader asks for them");
    this.#cutter.feed(bytes);
  }

  /** Reads at most `maxRecords` records. After a refusal the loader is of no use any more. */
  work(maxRecords: number): Result<LoadProgress, string> {
    for (let left = maxRecords; left > 0; left--) {
      const found = this.#nextFrame();
      if (!found.ok) return found;
      if (found.value === null) return ok(this.#isWhole ? "whole" : "more-bytes");
      const refusal = this.#readOne(found.value);
      if (refusal !== null) return err(refusal);
    }
    return ok("more-work");
  }

  /** To be called once everything was fed and `work` has said `whole`. */
  loaded(): Result<ClusterState, string> {
    const isComplete = this.#isWhole && this.#cutter.restBytes === 0;
    if (this.#state === null || !isComplete) return err(damaged("no end"));
    return ok(this.#state);
  }

  /** The frame that is being read, or the next one; null = there is none yet. */
  #nextFrame(): Result<Frame | null, string> {
    if (this.#frame !== null) return ok(this.#frame);
    const cut = this.#cutter.next();
    if (!cut.ok || cut.value === null) return cut;
    if (this.#isWhole) return err(damaged("more after its end"));
    this.#frame = cut.value;
    this.#reader.open(cut.value.payload);
    return cut;
  }

  /** One record of the frame, or its end. Null: all is well. */
  #readOne(frame: Frame): string | null {
    if (frame.kind === SECTIONS.head) return this.#readHead();
    if (this.#state === null) return damaged("no beginning");
    if (frame.kind === SECTIONS.end) return this.#readEnd(this.#state);
    const { nodes, members, jobs } = SECTIONS;
    if (frame.kind !== nodes && frame.kind !== members && frame.kind !== jobs) {
      return `the snapshot has a section ${frame.kind} unknown to this nl: upgrade this node`;
    }
    if (!this.#reader.isAtEnd) {
      if (frame.kind === nodes) return this.#readNode(this.#state);
      if (frame.kind === members) return this.#readOfMembers(this.#state);
      return this.#readOfJobs(this.#state);
    }
    this.#frame = null;
    return null;
  }

  #readHead(): string | null {
    const head = readHead(this.#reader);
    if (this.#reader.isBroken || this.#state !== null) return damaged("a wrong head");
    if (head.featureLevel > FEATURE_LEVEL) {
      const levels = `feature level ${head.featureLevel}, this nl supports ${FEATURE_LEVEL}`;
      return `the snapshot needs ${levels}: upgrade this node`;
    }
    if (head.clusterId === "") return damaged("no cluster in it");
    if (head.nextPeerId < 1) return damaged("a wrong head");
    this.#state = new StateStore({ ...head, limits: this.#limits });
    this.#state.setNextPeerId(head.nextPeerId);
    this.#frame = null;
    return null;
  }

  #readNode(state: StateStore): string | null {
    const node = readNode(this.#reader);
    if (this.#reader.isBroken || state.nodes.has(node.id)) return damaged("a wrong node");
    state.putNode(node);
    return null;
  }

  #readOfMembers(state: StateStore): string | null {
    switch (this.#reader.byte()) {
      case MEMBER_TAGS.joinToken: {
        const token = readJoinToken(this.#reader);
        if (this.#reader.isBroken || state.joinTokens.has(token.id))
          return damaged("a wrong token");
        state.putJoinToken(token);
        return null;
      }
      case MEMBER_TAGS.formerNode: {
        const former = readFormerNode(this.#reader);
        const isNew = !state.formerNodes.has(former.id);
        if (this.#reader.isBroken || !isNew) return damaged("a wrong former node");
        state.addFormerNode(former);
        return null;
      }
      default:
        return damaged("a record of an unknown kind");
    }
  }

  #readOfJobs(state: StateStore): string | null {
    switch (this.#reader.byte()) {
      case JOB_TAGS.spec:
        this.#specs.add(state.internSpec(this.#reader.bytes()));
        return this.#reader.isBroken ? damaged("a wrong spec") : null;
      case JOB_TAGS.job:
        return this.#readJob(state);
      case JOB_TAGS.attempt:
        return this.#readAttempt(state);
      default:
        return damaged("a record of an unknown kind");
    }
  }

  #readJob(state: StateStore): string | null {
    const job = readJob(this.#reader, (number) => this.#specs.at(number));
    if (job === null || state.jobs.has(job.id)) return damaged("a wrong job");
    this.#job = state.addJob(job);
    return null;
  }

  #readAttempt(state: StateStore): string | null {
    const job = this.#job;
    const attempt = job && readAttempt(this.#reader, job.id);
    if (job === null || attempt === null || this.#reader.isBroken)
      return damaged("a wrong attempt");
    const isNew = state.attempt(attempt.id) === undefined;
    if (!isNew || attempt.number > (job.run?.attempt ?? 0)) return damaged("a wrong attempt");
    state.putAttempt(attempt);
    this.#attemptCount += 1;
    return null;
  }

  #readEnd(state: StateStore): string | null {
    const end = readEnd(this.#reader);
    const found: SnapshotEnd = {
      nodes: state.nodes.size,
      joinTokens: state.joinTokens.size,
      formerNodes: state.formerNodes.size,
      jobs: state.jobs.size,
      attempts: this.#attemptCount,
      stateHash: state.stateHash(),
    };
    if (this.#reader.isBroken || JSON.stringify(found) !== JSON.stringify(end)) {
      return damaged("not what its end says it has");
    }
    this.#frame = null;
    this.#isWhole = true;
    return null;
  }
}

/** The state of a whole snapshot at once: for one that is known to be small. */
export function decodeState(
  bytes: Uint8Array,
  limits = STATE_LIMITS,
): Result<ClusterState, string> {
  const loader = new StateLoader(limits);
  loader.feed(bytes);
  const worked = loader.work(Number.POSITIVE_INFINITY);
  return worked.ok ? loader.loaded() : worked;
}
