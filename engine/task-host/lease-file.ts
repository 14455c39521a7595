import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Lease } from "../platform/task-host.ts";
import { bootId } from "./boot-clock.ts";

/**
 * The newest lease, for a host that follows a crash: containers outlive their host, and so must
 * the date on which they have to end. Not synced: after a power cut there are no containers.
 */
export class LeaseFile {
  readonly #path: string;
  readonly #bootId = bootId();

  constructor(path: string) {
    this.#path = path;
  }

  /** Null: there is none, or it is of another boot of this machine. */
  read(): Lease | null {
    try {
      const stored: unknown = JSON.parse(readFileSync(this.#path, "utf8"));
      return isStored(stored) && stored.bootId === this.#bootId ? stored.lease : null;
    } catch {
      return null;
    }
  }

  write(lease: Lease): void {
    const stored: Stored = { bootId: this.#bootId, lease };
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch {
      // A full disk: a host that follows then counts from an older lease, which is the safe side.
    }
  }
}

type Stored = { readonly bootId: string; readonly lease: Lease };

function isStored(value: unknown): value is Stored {
  return typeof value === "object" && value !== null && "bootId" in value && "lease" in value;
}
