import { UsageError } from "./usage-error.ts";

type FlagValue = string | boolean | readonly string[];

/** One command line after the strict front: every flag known, every value of its kind. */
export class Invocation {
  readonly positionals: readonly string[];
  /** The words of a command to run. */
  readonly command: readonly string[];
  readonly #flags: ReadonlyMap<string, FlagValue>;

  constructor(parsed: {
    readonly flags: ReadonlyMap<string, FlagValue>;
    readonly positionals: readonly string[];
    readonly command: readonly string[];
  }) {
    this.#flags = parsed.flags;
    this.positionals = parsed.positionals;
    this.command = parsed.command;
  }

  text(name: string): string | null {
    const value = this.#flags.get(name);
    return typeof value === "string" ? value : null;
  }

  isGiven(name: string): boolean {
    return this.#flags.has(name);
  }

  isSet(name: string): boolean {
    return this.#flags.get(name) === true;
  }

  /** True, false, or null when the flag was not given. */
  toggle(name: string): boolean | null {
    const value = this.#flags.get(name);
    return typeof value === "boolean" ? value : null;
  }

  list(name: string): readonly string[] {
    const value = this.#flags.get(name);
    return Array.isArray(value) ? value : [];
  }

  /** A whole number within [min, max]; null when the flag was not given. */
  integer(name: string, min: number, max: number): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new UsageError(`--${name} takes a whole number from ${min} to ${max}, not "${text}"`);
    }
    return value;
  }

  /** The one positional of a command that takes exactly one. */
  first(): string {
    const [first] = this.positionals;
    if (first === undefined) throw new UsageError("one argument is missing");
    return first;
  }
}
