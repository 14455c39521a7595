import { type NlError, nlError } from "../lib/error-code.ts";
import type { Index } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { AttemptReport } from "../state/command.ts";
import type { Leadership } from "./leadership.ts";
import { proposeError } from "./propose-error.ts";

type Waiting = {
  readonly reports: readonly AttemptReport[];
  readonly done: Done<Index, NlError>;
};

/** One entry stays well below 512 KiB: the longest sentence of an honest node is 3 KiB of it. */
const REPORTS_PER_ENTRY_MAX = 400;
const ENTRY_BYTES_MAX = 400 * 1024;
/** Everything in a report but its sentence. */
const REPORT_BYTES = 256;
const BYTES_PER_CHARACTER_MAX = 3;
const REPORTS_WAITING_MAX = 20_000;

/** Makes one entry of the reports of many nodes (DESIGN, Work delivery). */
export class ReportBatcher {
  readonly #leadership: Leadership;
  #waiting: Waiting[] = [];
  #waitingCount = 0;
  #isFlushDue = false;
  #flushedAtMillis = Number.NEGATIVE_INFINITY;

  constructor(leadership: Leadership) {
    this.#leadership = leadership;
  }

  /** Done = committed and applied here. */
  receive(reports: readonly AttemptReport[], done: Done<Index, NlError>): void {
    if (this.#waitingCount + reports.length > REPORTS_WAITING_MAX) {
      const error = nlError("overloaded", "too many reports wait", "", 1_000);
      this.#leadership.options.timers.soon(() => done(err(error)));
      return;
    }
    this.#waiting.push({ reports, done });
    this.#waitingCount += reports.length;
    this.#flushWhenDue();
  }

  end(error: NlError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingCount = 0;
    for (const { done } of waiting) done(err(error));
  }

  /** At once after a quiet time, otherwise with whatever else arrives within the batch time. */
  #flushWhenDue(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    const { clock, settings } = this.#leadership.options;
    const dueAtMillis = this.#flushedAtMillis + settings.reportBatchMillis;
    const waitMillis = dueAtMillis - clock.monotonicMillis();
    if (waitMillis > 0) this.#leadership.after(waitMillis, () => this.#flush());
    else this.#leadership.soon(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    this.#flushedAtMillis = this.#leadership.options.clock.monotonicMillis();
    while (this.#waiting.length > 0) this.#proposeOne();
  }

  #proposeOne(): void {
    const batch: Waiting[] = [];
    const reports: AttemptReport[] = [];
    let bytes = 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const isFull =
        reports.length + next.reports.length > REPORTS_PER_ENTRY_MAX ||
        bytes + bytesOf(next.reports) > ENTRY_BYTES_MAX;
      if (isFull && batch.length > 0) break;
      bytes += bytesOf(next.reports);
      this.#waiting.shift();
      batch.push(next);
      for (const report of next.reports) reports.push(report);
    }
    this.#waitingCount -= reports.length;
    this.#leadership.propose({ kind: "report-attempts", reports }, (proposed) => {
      const answer = proposed.ok ? ok(proposed.value.index) : err(proposeError(proposed.error));
      for (const { done } of batch) done(answer);
    });
  }
}

/** An upper bound, so that a call that is too large fails alone, and not with its neighbours. */
function bytesOf(reports: readonly AttemptReport[]): number {
  let bytes = 0;
  for (const { detail } of reports) {
    bytes += REPORT_BYTES + BYTES_PER_CHARACTER_MAX * detail.length;
  }
  return bytes;
}
