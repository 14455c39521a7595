/**
 * What a test needs from the machine. `scripts/test` looks once and names what is missing in
 * NL_TEST_MISSING; then, and only then, the tests that need it are skipped (in CI that is a failure
 * before they start). Run by hand, a test assumes that everything is there.
 */
export type Requirement = "docker" | "bubblewrap" | "tmux" | "strace" | "root";

const missing = new Set((process.env["NL_TEST_MISSING"] ?? "").split(",").filter(Boolean));

export const isMissing = (...needed: readonly Requirement[]): boolean =>
  needed.some((requirement) => missing.has(requirement));
