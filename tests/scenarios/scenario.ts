/** One command of a scenario file and what etcd printed for it, by node number. */
export type Block = {
  readonly cmd: string;
  readonly soft?: ByNode<SoftState>;
  readonly hs?: ByNode<HardStateText>;
  readonly entries?: ByNode<readonly EntryText[]>;
  readonly committed?: ByNode<readonly EntryText[]>;
  readonly raftlog?: ByNode<readonly EntryText[]>;
  readonly raftstate?: ByNode<RaftStateText>;
  readonly status?: ByNode<ByNode<ProgressText>>;
  readonly text?: readonly string[];
};

type ByNode<Value> = Readonly<Record<string, Value>>;
export type SoftState = { readonly lead: number; readonly role: string };
export type HardStateText = {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
};
/** Term, index, type, payload as etcd prints it. */
export type EntryText = readonly [number, number, string, string];
export type RaftStateText = SoftState & { readonly voter: boolean; readonly term: number };
/** `next` and `flags` are in the files but depend on how messages were batched: not compared. */
export type ProgressText = { readonly state: string; readonly match: number };

/** Something etcd printed and this core did otherwise. */
export type Mismatch = {
  readonly block: number;
  readonly cmd: string;
  readonly what: string;
  readonly expected: unknown;
  readonly actual: unknown;
};
