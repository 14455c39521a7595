import { statfsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { DiskRoom } from "../platform/disk-room.ts";
import type { Logger } from "../platform/logger.ts";
import type { Timers } from "../platform/timers.ts";
import { hasBallast, makeBallast, releaseBallast } from "./ballast.ts";
import { FULL_BYTES, judgeDisk } from "./judge-disk.ts";
import { attempt } from "./storage-fault.ts";

/** At the speed of a fast disk this still leaves half of what is kept free. */
const LOOK_MILLIS = 2_000;
const MIB = 1024 * 1024;

/** Looks at the disk of a data directory, says when it is low, and keeps the ballast. */
export class DiskWatch implements DiskRoom {
  readonly #directory: string;
  readonly #minFreeBytes: number;
  readonly #timers: Timers;
  readonly #logger: Logger;
  #shortage: string | null = null;
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor(options: {
    readonly directory: string;
    readonly minFreeBytes: number;
    readonly timers: Timers;
    readonly logger: Logger;
  }) {
    this.#directory = options.directory;
    this.#minFreeBytes = options.minFreeBytes;
    this.#timers = options.timers;
    this.#logger = options.logger;
  }

  shortage(): string | null {
    return this.#shortage;
  }

  /** Looks at once: a node that does not know its disk yet must not offer itself as one with room. */
  start(onChange: () => void): void {
    this.#lookAfter(0, onChange);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #look(onChange: () => void): Promise<void> {
    const freeBytes = await freeBytesOf(this.#directory);
    if (this.#isStopped) return;
    // A disk that cannot even be asked is noticed by the next write to it.
    if (freeBytes !== null) this.#judge(freeBytes, onChange);
    this.#lookAfter(LOOK_MILLIS, onChange);
  }

  #lookAfter(millis: number, onChange: () => void): void {
    this.#cancel = this.#timers.after(millis, () => void this.#look(onChange));
  }

  #judge(freeBytes: number, onChange: () => void): void {
    const directory = this.#directory;
    const wasLow = this.#shortage !== null;
    const state = { freeBytes, hasBallast: hasBallast(directory), wasLow };
    const { isLow, ballast } = judgeDisk(state, this.#minFreeBytes);
    if (ballast === "make") this.#try("setting the ballast aside", () => makeBallast(directory));
    if (ballast === "release")
      this.#try("giving the ballast back", () => releaseBallast(directory));
    this.#shortage = isLow ? this.#sentence(freeBytes) : null;
    if (isLow === wasLow) return;
    if (isLow) this.#logger.log("warn", this.#shortage ?? "");
    else this.#logger.log("info", "there is room on the disk again: jobs are taken");
    onChange();
  }

  #sentence(freeBytes: number): string {
    const [free, wanted] = [freeBytes, this.#minFreeBytes].map((bytes) => Math.floor(bytes / MIB));
    return (
      `only ${free} MiB are free on the disk of ${this.#directory}: ` +
      `it takes no new jobs and keeps no new output until there are more than ${wanted} MiB`
    );
  }

  #try(doing: string, work: () => void): void {
    const done = attempt(doing, work);
    if (!done.ok) this.#logger.log("warn", done.error.detail);
    else this.#logger.log("info", `${doing}: done`);
  }
}

/** Of a node that keeps everything in memory. */
export const AMPLE_DISK: DiskRoom = { shortage: () => null, start: () => {}, stop: () => {} };

/** Before a log is opened on a full disk: what was set aside for this moment. */
export function releaseBallastWhenFull(directory: string): void {
  attempt("giving the ballast back", () => {
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize < FULL_BYTES) releaseBallast(directory);
  });
}

async function freeBytesOf(directory: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return null;
  }
}
