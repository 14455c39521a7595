import { ENVIRONMENT } from "./environment.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** What `nl help TOPIC` shows, beside the help of commands. */
export const TOPICS: ReadonlyMap<string, string> = new Map([
  ["exit-codes", EXIT_CODES],
  ["env", ENVIRONMENT],
]);
