import { assert } from "../lib/assert.ts";
import type { Attempt } from "./cluster-state.ts";
import type { ClusterState } from "./create-state.ts";
import type { RecordWalk } from "./record-walk.ts";
import { ByteWriter } from "./snapshot-bytes.ts";
import { closeFrame, FRAME_BYTES, openFrame, SECTIONS, snapshotPrefix } from "./snapshot-frames.ts";
import {
  JOB_TAGS,
  MEMBER_TAGS,
  writeAttempt,
  writeEnd,
  writeFormerNode,
  writeHead,
  writeJob,
  writeJoinToken,
  writeNode,
} from "./snapshot-records.ts";
import { SpecNumbers } from "./spec-numbers.ts";

/**
 * A snapshot of the state at the index where the walk began, in pieces, while entries are applied.
 * One walk of a state at a time; it ends with its last piece or with `stop`.
 */
export class StateWalk {
  readonly #records: RecordWalk;
  readonly #writer = new ByteWriter();
  readonly #specs = new SpecNumbers();
  #step: "head" | "nodes" | "members" | "jobs" | "end" | "over" = "head";
  #nodeCount = 0;
  #memberCount = 0;
  /** Attempts of the job that was written last. */
  #attempts: readonly Attempt[] = [];
  #attemptCount = 0;

  constructor(state: ClusterState) {
    this.#records = state.walk();
  }

  /** Old records that are kept alive for this walk. */
  get keptCount(): number {
    return this.#records.keptCount;
  }

  /**
   * The next piece, of at most `maxRecords` records and about 64 KiB; null once all was given. The
   * caller stays within its time by asking for little at once.
   */
  next(maxRecords: number): Uint8Array | null {
    assert(maxRecords > 0, "a piece has records");
    switch (this.#step) {
      case "head":
        this.#step = "nodes";
        return this.#head();
      case "nodes":
        return this.#nodes(maxRecords);
      case "members":
        return this.#members(maxRecords);
      case "jobs":
        return this.#jobs(maxRecords);
      case "end":
        this.stop();
        openFrame(this.#writer, SECTIONS.end);
        writeEnd(this.#writer, this.#records.end);
        return closeFrame(this.#writer);
      default:
        return null;
    }
  }

  /** Gives up, when it has not come to its end. */
  stop(): void {
    if (this.#step === "over") return;
    this.#step = "over";
    this.#records.stop();
  }

  #head(): Uint8Array {
    openFrame(this.#writer, SECTIONS.head);
    writeHead(this.#writer, this.#records.head);
    const frame = closeFrame(this.#writer);
    const prefix = snapshotPrefix();
    const piece = new Uint8Array(prefix.length + frame.length);
    piece.set(prefix);
    piece.set(frame, prefix.length);
    return piece;
  }

  #nodes(maxRecords: number): Uint8Array {
    openFrame(this.#writer, SECTIONS.nodes);
    const { nodes } = this.#records;
    for (let left = maxRecords; left > 0 && this.#hasRoom(); left--) {
      const node = nodes[this.#nodeCount];
      if (node === undefined) break;
      writeNode(this.#writer, node);
      this.#nodeCount += 1;
    }
    if (this.#nodeCount === nodes.length) this.#step = "members";
    return closeFrame(this.#writer);
  }

  /** Tokens, then the names of those who left. */
  #members(maxRecords: number): Uint8Array {
    openFrame(this.#writer, SECTIONS.members);
    const { joinTokens, formerNodes } = this.#records;
    const count = joinTokens.length + formerNodes.length;
    for (let left = maxRecords; left > 0 && this.#hasRoom(); left--) {
      if (this.#memberCount === count) break;
      const token = joinTokens[this.#memberCount];
      const former = formerNodes[this.#memberCount - joinTokens.length];
      this.#memberCount += 1;
      this.#writer.byte(token ? MEMBER_TAGS.joinToken : MEMBER_TAGS.formerNode);
      if (token) writeJoinToken(this.#writer, token);
      else if (former) writeFormerNode(this.#writer, former);
    }
    if (this.#memberCount === count) this.#step = "jobs";
    return closeFrame(this.#writer);
  }

  #jobs(maxRecords: number): Uint8Array {
    openFrame(this.#writer, SECTIONS.jobs);
    for (let left = maxRecords; left > 0 && this.#hasRoom(); left--) {
      if (this.#writeNext()) continue;
      this.#step = "end";
      break;
    }
    return closeFrame(this.#writer);
  }

  /** The next attempt of the last job, or else the next job. False: there is none. */
  #writeNext(): boolean {
    const attempt = this.#attempts[this.#attemptCount];
    if (attempt !== undefined) {
      this.#attemptCount += 1;
      this.#writer.byte(JOB_TAGS.attempt);
      writeAttempt(this.#writer, attempt);
      return true;
    }
    const walked = this.#records.next();
    if (walked === null) return false;
    this.#attempts = walked.attempts;
    this.#attemptCount = 0;
    const { number, isNew } = this.#specs.numberOf(walked.job.spec);
    if (isNew) {
      this.#writer.byte(JOB_TAGS.spec);
      this.#writer.bytes(walked.job.spec.bytes);
    }
    this.#writer.byte(JOB_TAGS.job);
    writeJob(this.#writer, walked.job, number);
    return true;
  }

  #hasRoom(): boolean {
    return this.#writer.length < FRAME_BYTES;
  }
}

/** The whole snapshot at once: for a state that is known to be small. */
export function encodeState(state: ClusterState): Uint8Array {
  const walk = new StateWalk(state);
  const pieces: Uint8Array[] = [];
  for (let piece = walk.next(1_024); piece !== null; piece = walk.next(1_024)) pieces.push(piece);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
