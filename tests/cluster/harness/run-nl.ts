/** What a finished `nl` said. */
export type Outcome = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly millis: number;
};

export type RunOptions = {
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin?: string;
  /** Ends it with KILL: a command that hangs is a failure. */
  readonly limitMillis?: number;
};

const LIMIT_MILLIS = 45_000;

/** Runs `nl` to its end, as a script would: no terminal, everything captured. */
export async function runNl(words: readonly string[], options: RunOptions): Promise<Outcome> {
  const from = performance.now();
  const child = Bun.spawn([...options.program, ...words], {
    cwd: options.cwd,
    env: { ...options.env },
    stdin: new Blob([options.stdin ?? ""]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), options.limitMillis ?? LIMIT_MILLIS);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  clearTimeout(limit);
  return { code, stdout, stderr, millis: performance.now() - from };
}
