/** What is wrong with a job spec: one field, one sentence, and what to write instead (or nothing). */
export type SpecError = {
  /** As the user writes it, for example `resources.memory`; empty = the document as a whole. */
  readonly field: string;
  readonly message: string;
  readonly suggestion: string;
};

export const specError = (field: string, message: string, suggestion = ""): SpecError => ({
  field,
  message,
  suggestion,
});
