/** One line of what happened, for the node's own log. Fields are plain data, cleaned at the sink. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, LogValue>>): void;
}
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogValue = string | number | boolean | null;
