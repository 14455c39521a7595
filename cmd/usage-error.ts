/** The command line itself is wrong: exit 2, one sentence, nothing was done. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}
