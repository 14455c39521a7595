import type { Client, WatchEvent, Watching } from "../engine/client/client.ts";
import type { TopStore } from "./store.ts";

/** Watches the job on screen with its attempts into the store, as long as it is on screen. */
export class JobFollower {
  readonly #client: Client;
  readonly #store: TopStore;
  #jobId = "";
  #watching: Watching | null = null;

  constructor(client: Client, store: TopStore) {
    this.#client = client;
    this.#store = store;
  }

  /** Called after every change of the store: opens, switches or closes the watch. */
  sync(): void {
    const { view, jobId } = this.#store.ui;
    const wanted = view === "job" ? jobId : "";
    if (wanted === this.#jobId) return;
    this.close();
    this.#jobId = wanted;
    if (wanted === "") return;
    this.#watching = this.#client.watch(
      { jobs: true, nodes: false, status: false, jobId: wanted, finishedLimit: 1 },
      (event) => this.#onEvent(wanted, event),
    );
  }

  close(): void {
    this.#watching?.stop();
    this.#watching = null;
    this.#jobId = "";
  }

  #onEvent(jobId: string, event: WatchEvent): void {
    if (event.kind !== "snapshot" && event.kind !== "delta") return;
    const job = event.jobs.findLast(({ id }) => id === jobId);
    if (job !== undefined && jobId === this.#jobId) this.#store.setDetail(job);
  }
}
