import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { write } from "./failover-cluster.ts";

/** Clients of their own, each writing one after the other, until they are stopped. */
export class Writers {
  readonly #clients: readonly GrpcClient[];
  readonly #running: readonly Promise<void>[];
  readonly #failures: string[] = [];
  #latencies: number[] = [];
  #lastAckAt = performance.now();
  #silence = 0;
  #isOver = false;

  constructor(connect: () => GrpcClient, count: number) {
    this.#clients = Array.from({ length: count }, connect);
    this.#running = this.#clients.map((client) => this.#keepWriting(client));
  }

  /** Forgets what was measured so far. */
  beginAnew(): void {
    this.#latencies = [];
    this.#silence = 0;
    this.#lastAckAt = performance.now();
  }

  latencies(): readonly number[] {
    return this.#latencies;
  }

  /** The longest time in which nobody was answered. */
  longestSilence(): number {
    return Math.max(this.#silence, performance.now() - this.#lastAckAt);
  }

  async stop(): Promise<{ readonly silence: number; readonly failures: readonly string[] }> {
    const silence = this.longestSilence();
    this.#isOver = true;
    await Promise.all(this.#running);
    for (const client of this.#clients) client.close();
    return { silence, failures: this.#failures };
  }

  async #keepWriting(client: GrpcClient): Promise<void> {
    while (!this.#isOver) {
      const from = performance.now();
      try {
        await write(client);
      } catch (cause) {
        this.#failures.push(String(cause));
        continue;
      }
      const now = performance.now();
      this.#latencies.push(now - from);
      this.#silence = Math.max(this.#silence, now - this.#lastAckAt);
      this.#lastAckAt = now;
    }
  }
}
