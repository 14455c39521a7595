/** Room on the disk of this node's data, looked at now and then (SEMANTICS S17). */
export interface DiskRoom {
  /** Null while there is enough; else one sentence for people. */
  shortage(): string | null;
  /** Begins to look. `onChange`: there is a shortage now, or none any more. */
  start(onChange: () => void): void;
  stop(): void;
}
