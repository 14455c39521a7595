import { BoundedQueue } from "../lib/bounded-queue.ts";
import type { Message } from "../raft/types.ts";
import { FRAME_BYTES_WANTED, FRAME_MESSAGES_MAX } from "./frame-codec.ts";
import { messageBytes } from "./message-codec.ts";

const QUEUE_MESSAGES_MAX = 4096;
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;

/** What waits for one peer. When it is full the newest message is dropped: Raft repairs. */
export class SendQueue {
  readonly #messages = new BoundedQueue<{ readonly message: Message; readonly bytes: number }>(
    QUEUE_MESSAGES_MAX,
  );
  #bytes = 0;
  #carried: { readonly message: Message; readonly bytes: number } | undefined;

  get isEmpty(): boolean {
    return this.#carried === undefined && this.#messages.size === 0;
  }

  /** False: dropped. */
  push(message: Message): boolean {
    const bytes = messageBytes(message);
    if (this.#bytes + bytes > QUEUE_BYTES_MAX) return false;
    if (!this.#messages.push({ message, bytes })) return false;
    this.#bytes += bytes;
    return true;
  }

  /** The oldest messages that fit one frame together; at least one when there is any. */
  takeBatch(): readonly Message[] {
    const batch: Message[] = [];
    let bytes = 0;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const fits = bytes + next.bytes <= FRAME_BYTES_WANTED && batch.length < FRAME_MESSAGES_MAX;
      if (!fits && batch.length > 0) {
        this.#carried = next;
        break;
      }
      batch.push(next.message);
      bytes += next.bytes;
      this.#bytes -= next.bytes;
    }
    return batch;
  }

  clear(): void {
    this.#messages.clear();
    this.#carried = undefined;
    this.#bytes = 0;
  }

  #next() {
    const carried = this.#carried;
    this.#carried = undefined;
    return carried ?? this.#messages.shift();
  }
}
