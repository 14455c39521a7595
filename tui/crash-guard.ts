/** Leaves the alternate screen, shows the cursor, ends mouse and paste modes. */
const RESTORE = "\u001b[?2026l\u001b[?1006l\u001b[?1002l\u001b[?2004l\u001b[?1049l\u001b[?25h";
const EXIT_BUG = 70;

/**
 * Without it, an error outside React leaves the terminal in the alternate screen with raw input
 * (FACTS, CLI and TUI). Returns the removal of the guard.
 */
export function guardTerminal(unmount: () => void): () => void {
  const die = (cause: unknown): void => {
    try {
      unmount();
    } finally {
      process.stdout.write(RESTORE);
      if (process.stdin.isTTY) process.stdin.setRawMode(false);
      const text = cause instanceof Error ? cause.message : String(cause);
      process.stderr.write(`nl top: a bug in nl, please report it: ${text}\n`);
      process.exit(EXIT_BUG);
    }
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
  return () => {
    process.off("uncaughtException", die);
    process.off("unhandledRejection", die);
  };
}
