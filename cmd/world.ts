/** What a command may touch besides the cluster: injected, so that it is tested without a terminal. */
export type World = {
  /** Data. */
  readonly out: (text: string | Uint8Array) => void;
  /** Talk. */
  readonly err: (text: string | Uint8Array) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  readonly columns: number;
  /** Width of the terminal that stderr is, if it is one. */
  readonly errColumns: number;
  readonly useColor: boolean;
  /** The text of standard input, at most `maxBytes`. */
  readonly readInput: (maxBytes: number) => Promise<string>;
  /** Standard input line by line, without loading it whole. */
  readonly inputLines: () => AsyncIterable<string>;
  readonly now: () => number;
  /** Aborted at the first interrupt; a second one ends the process at once. */
  readonly interrupted: AbortSignal;
  /** Runs when a second interrupt ends the process; answers how to take that back. */
  readonly atForcedEnd: (work: () => void) => () => void;
};
