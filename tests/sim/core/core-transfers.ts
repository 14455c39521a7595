import type { PeerId } from "../../../engine/lib/ids.ts";
import type { Coverage } from "../coverage.ts";
import type { SimNetwork } from "../world/network.ts";
import type { CoreDriver, SnapshotMessage } from "./core-driver.ts";
import { chunksOf, type SnapshotShelf } from "./core-snapshots.ts";
import type { Registers } from "./registers.ts";

export type CoreTransfersOptions = {
  readonly network: SimNetwork;
  readonly coverage: Coverage;
  readonly driverOf: (peer: PeerId) => CoreDriver | null;
  readonly shelfOf: (peer: PeerId) => SnapshotShelf;
};

type Transfer = {
  readonly message: SnapshotMessage;
  readonly state: Registers;
  readonly done: (delivered: boolean) => void;
  readonly epoch: number;
};

/** Ships snapshots outside of Raft's stream, in chunks; what has arrived is not sent again. */
export class CoreTransfers {
  readonly #options: CoreTransfersOptions;
  /** Grows when every transfer under way is cut. */
  #epoch = 0;

  constructor(options: CoreTransfersOptions) {
    this.#options = options;
  }

  ship(message: SnapshotMessage, state: Registers, done: (delivered: boolean) => void): void {
    this.#options.coverage.snapshotsSent += 1;
    this.#send({ message, state, done, epoch: this.#epoch });
  }

  breakAll(): void {
    this.#epoch += 1;
  }

  #send(transfer: Transfer): void {
    const { network, driverOf, shelfOf } = this.#options;
    const { message, state, epoch } = transfer;
    const { from, to, snapshot } = message;
    network.chunk(from, to, {
      arrive: () => {
        if (epoch !== this.#epoch) {
          this.#failed(transfer);
          return;
        }
        const chunk = Math.min(shelfOf(to).received(snapshot.id), chunksOf(snapshot) - 1);
        driverOf(to)?.receive(message, state, chunk);
        if (chunk + 1 === chunksOf(snapshot)) this.#answer(transfer);
        else this.#send(transfer);
      },
      fail: () => this.#failed(transfer),
    });
  }

  /** The receiver's word travels back; a lost one is a failed transfer to the sender. */
  #answer({ message, done }: Transfer): void {
    const { network } = this.#options;
    network.reply(message.to, message.from, (isHeard) => done(isHeard));
  }

  #failed({ message: { from, to }, done }: Transfer): void {
    this.#options.coverage.snapshotsBroken += 1;
    this.#options.network.reply(to, from, () => done(false));
  }
}
