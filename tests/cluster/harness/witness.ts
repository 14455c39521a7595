import { appendFileSync, readFileSync } from "node:fs";

/**
 * A file that jobs append to: what really ran, whatever the cluster believes. One line per event;
 * appends of a line are atomic, so the file's order is the order in which things happened.
 */
export class Witness {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    appendFileSync(path, "");
  }

  /** Shell words around `body` that leave a line when an attempt starts, ends, or is told to end. */
  script(body: string): string {
    const onTerm = `trap '${this.line("end")}; exit 143' TERM`;
    return `${onTerm}; ${this.line("start")}; ${body}; ${this.line("end")}`;
  }

  /** Shell words that leave one line. */
  line(event: "start" | "end"): string {
    return `echo "${event} $NL_JOB_ID $NL_ATTEMPT $$" >> ${this.path}`;
  }

  events(): readonly WitnessEvent[] {
    const lines = readFileSync(this.path, "utf8").split("\n").filter(Boolean);
    return lines.map((line) => {
      const [event = "", job = "", attempt = "", pid = ""] = line.split(" ");
      return { event, job, attempt, pid };
    });
  }

  starts(jobId: string): number {
    return this.events().filter(({ event, job }) => event === "start" && job === jobId).length;
  }

  /** Attempts with more than one start. */
  startedTwice(): readonly string[] {
    const starts = this.events().filter(({ event }) => event === "start");
    const names = starts.map(({ job, attempt }) => `${job}.${attempt}`);
    return names.filter((name, at) => names.indexOf(name) !== at);
  }

  /** Jobs of which an attempt started while another one had not ended. */
  overlapping(): readonly string[] {
    const live = new Map<string, string>();
    const found = new Set<string>();
    for (const { event, job, attempt } of this.events()) {
      const running = live.get(job);
      if (event === "start" && running !== undefined && running !== attempt) found.add(job);
      if (event === "start") live.set(job, attempt);
      else if (running === attempt) live.delete(job);
    }
    return [...found];
  }

  /** Jobs with a start and no end. */
  unfinished(): readonly string[] {
    const ended = new Set(
      this.events()
        .filter(({ event }) => event === "end")
        .map(({ job }) => job),
    );
    return [...new Set(this.events().map(({ job }) => job))].filter((job) => !ended.has(job));
  }
}

type WitnessEvent = {
  readonly event: string;
  readonly job: string;
  readonly attempt: string;
  readonly pid: string;
};
