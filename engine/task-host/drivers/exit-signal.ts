import { constants } from "node:os";

/**
 * A sandbox, like a shell, tells of a signal by the code 128 + its number. Only signals that end
 * programs are read that way: other codes above 128 are the program's own.
 */
export function signalOf(exitCode: number): string {
  return DEADLY.find((name) => exitCode === 128 + signalNumber(name)) ?? "";
}

/** 0 = no such signal. */
export const signalNumber = (name: string): number =>
  constants.signals[name as NodeJS.Signals] ?? 0;

const DEADLY = [
  ...["SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE"],
  ...["SIGKILL", "SIGSEGV", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGXCPU", "SIGXFSZ", "SIGSYS"],
];
