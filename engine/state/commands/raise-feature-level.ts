import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type RaiseFeatureLevel = Extract<CommandBody, { kind: "raise-feature-level" }>;

/** Holds only when every member has recorded that it understands the new level. */
export function applyRaiseFeatureLevel(applying: Applying, command: RaiseFeatureLevel): Outcome {
  const { state } = applying;
  const { featureLevel } = command;
  if (featureLevel <= state.featureLevel) return applying.done(true);
  for (const node of state.nodes.values()) {
    if (node.featureLevel < featureLevel) {
      const refusal = { kind: "feature-level", featureLevel: state.featureLevel } as const;
      return { kind: "refused", refusal };
    }
  }
  applying.raiseFeatureLevel(featureLevel);
  return applying.done();
}
