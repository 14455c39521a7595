/** DESIGN §4, Limits. */
const UNFINISHED_PER_ADDRESS_MAX = 100;
const UNFINISHED_MAX = 1000;

/** Counts TLS handshakes that have begun and not ended, in all and per remote address. */
export class HandshakeLimits {
  readonly #perAddress = new Map<string, number>();
  #all = 0;

  /** False: too many, refuse the connection. */
  begin(address: string): boolean {
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#all >= UNFINISHED_MAX || count >= UNFINISHED_PER_ADDRESS_MAX) return false;
    this.#all += 1;
    this.#perAddress.set(address, count + 1);
    return true;
  }

  /** Exactly once for each handshake that began. */
  end(address: string): void {
    this.#all -= 1;
    const count = (this.#perAddress.get(address) ?? 1) - 1;
    if (count > 0) this.#perAddress.set(address, count);
    else this.#perAddress.delete(address);
  }
}
