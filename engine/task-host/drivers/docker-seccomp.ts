import { unreachable } from "../../lib/assert.ts";
import { ARGUMENT_RULES, type ArgumentRule, CLONE3, ENOSYS } from "./seccomp-rules.ts";
import { ALLOWED_CALLS } from "./system-calls.ts";

/**
 * The same rules as the process sandbox's, in the words of Docker's `seccomp=` option: the
 * daemon's own default lets io_uring and AF_VSOCK through (FACTS, Docker).
 */
export function dockerSeccompProfile(): string {
  return JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: [] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: [] },
    ],
    syscalls: [
      { names: alwaysAllowed(), action: "SCMP_ACT_ALLOW", args: [] },
      { names: [CLONE3.name], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS, args: [] },
      ...ARGUMENT_RULES.flatMap(allowances),
    ],
  });
}

function alwaysAllowed(): readonly string[] {
  const conditional = new Set(ARGUMENT_RULES.map(({ name }) => name));
  return ALLOWED_CALLS.map(({ name }) => name).filter((name) => !conditional.has(name));
}

type Allowance = {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW";
  readonly args: readonly object[];
};

function allowances(rule: ArgumentRule): readonly Allowance[] {
  const allow = (args: readonly object[]): Allowance => ({
    names: [rule.name],
    action: "SCMP_ACT_ALLOW",
    args,
  });
  const index = rule.argument;
  switch (rule.test.kind) {
    case "one-of":
      return rule.test.values.map((value) => allow([{ index, value, op: "SCMP_CMP_EQ" }]));
    case "none-of":
      // The profile cannot say "neither of these"; a container of ours has no terminal to abuse.
      return [allow([])];
    case "no-bits":
      return [allow([{ index, value: rule.test.mask, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }])];
    default:
      return unreachable(rule.test);
  }
}
