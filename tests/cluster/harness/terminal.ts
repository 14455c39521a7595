import type { Lab } from "./lab.ts";
import { until } from "./until.ts";

const COLUMNS = 80;
const ROWS = 24;

/** A shell in a terminal of 80×24, as a person has it: a tmux server of this lab's own. */
export class Terminal {
  readonly #socket: string;

  private constructor(lab: Lab) {
    this.#socket = lab.path("tmux.sock");
  }

  static async open(lab: Lab, env: Readonly<Record<string, string>>): Promise<Terminal> {
    const terminal = new Terminal(lab);
    const size = ["-x", String(COLUMNS), "-y", String(ROWS)];
    const shell = "PS1='ready> ' exec sh -i";
    await terminal.#tmux(["-f", "/dev/null", "new-session", "-d", ...size, shell], {
      ...lab.env,
      ...env,
    });
    await terminal.untilShows(/^ready>/m);
    return terminal;
  }

  /** The 24 lines that are seen. */
  async screen(): Promise<string> {
    return this.#tmux(["capture-pane", "-p"]);
  }

  /** True while a program has the screen for itself. */
  async isAlternate(): Promise<boolean> {
    return (await this.#tmux(["display-message", "-p", "#{alternate_on}"])).trim() === "1";
  }

  async type(text: string): Promise<void> {
    await this.#tmux(["send-keys", "-l", text]);
  }

  /** A key by tmux's name for it: Enter, Escape, Tab … */
  async press(key: string): Promise<void> {
    await this.#tmux(["send-keys", key]);
  }

  async untilShows(pattern: RegExp, limitMillis?: number): Promise<string> {
    return until(
      `the screen shows ${pattern}`,
      async () => {
        const screen = await this.screen();
        if (pattern.test(screen)) return screen;
        throw new Error(`it shows\n${screen}`);
      },
      limitMillis,
    );
  }

  async #tmux(words: readonly string[], env?: Record<string, string>): Promise<string> {
    const child = Bun.spawn(["tmux", "-S", this.#socket, ...words], {
      env: env ?? { PATH: process.env["PATH"] ?? "" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(`tmux ${words.join(" ")}: ${stderr}`);
    return stdout;
  }
}
