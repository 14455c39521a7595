import type { NodeId } from "../lib/ids.ts";

/** What every node has said about the room on its disk since this node leads (SEMANTICS S17). */
export class NodeDisks {
  readonly #onChange: () => void;
  readonly #isLow = new Map<NodeId, boolean>();
  #low: ReadonlySet<NodeId> = new Set();

  /** `onChange` is called when the set of those that are low changed. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get low(): ReadonlySet<NodeId> {
    return this.#low;
  }

  /** Who was not heard yet is not known to have room. */
  hasRoom(nodeId: NodeId): boolean {
    return this.#isLow.get(nodeId) === false;
  }

  hear(nodeId: NodeId, isLow: boolean): void {
    const wasLow = this.#isLow.get(nodeId) ?? false;
    this.#isLow.set(nodeId, isLow);
    if (isLow === wasLow) return;
    this.#low = new Set([...this.#isLow].filter(([, low]) => low).map(([id]) => id));
    this.#onChange();
  }
}
