import type { Client, OutputChunk } from "../engine/client/client.ts";
import type { LogState } from "../engine/view/ui-state.ts";
import type { TopStore } from "./store.ts";

const LINES_MAX = 5_000;
const LINE_CHARACTERS_MAX = 4_096;
const TAIL_BYTES = 256 * 1024;

/** Reads the output of the job on screen into the store, as long as that job is on screen. */
export class OutputFollower {
  readonly #client: Client;
  readonly #store: TopStore;
  #jobId = "";
  #stop: AbortController | null = null;

  constructor(client: Client, store: TopStore) {
    this.#client = client;
    this.#store = store;
  }

  /** Called after every change of the store: opens, switches or closes the stream. */
  sync(): void {
    const { view, jobId } = this.#store.ui;
    const wanted = view === "job" ? jobId : "";
    if (wanted === this.#jobId) return;
    this.close();
    this.#jobId = wanted;
    if (wanted === "") return;
    const stop = new AbortController();
    this.#stop = stop;
    void this.#read(wanted, stop.signal);
  }

  close(): void {
    this.#stop?.abort();
    this.#stop = null;
    this.#jobId = "";
  }

  async #read(jobId: string, signal: AbortSignal): Promise<void> {
    let log: LogState = { jobId, lines: [], partial: "", dropped: 0, state: "reading", note: "" };
    const decoder = new TextDecoder();
    const put = (next: LogState) => {
      log = next;
      if (!signal.aborted) this.#store.setLog(log);
    };
    put(log);
    const request = { jobId, follow: true, tailBytes: TAIL_BYTES };
    for await (const chunk of this.#client.readOutput(request, signal)) {
      if (signal.aborted) return;
      if (!chunk.ok) return put({ ...log, state: "failed", note: chunk.error.message });
      put(append(log, chunk.value, decoder));
    }
    put({ ...log, state: "ended" });
  }
}

function append(log: LogState, chunk: OutputChunk, decoder: TextDecoder): LogState {
  const skipped = chunk.skippedBytes > 0 ? `… ${chunk.skippedBytes} bytes were not kept …\n` : "";
  const text = log.partial + skipped + decoder.decode(chunk.data, { stream: true });
  const lines = text.split("\n").map((line) => line.slice(0, LINE_CHARACTERS_MAX));
  const partial = lines.pop() ?? "";
  const all = [...log.lines, ...lines];
  const excess = Math.max(0, all.length - LINES_MAX);
  return { ...log, lines: all.slice(excess), partial, dropped: log.dropped + excess };
}
