import { type Checker, must } from "../checker.ts";

const NAME = "feature levels";

/**
 * While versions are mixed, the cluster's level rises only to what every node has recorded that it
 * understands, and never falls. (DESIGN §5, versioned commands)
 */
export function featureLevels(): Checker {
  let highest = 0;
  return {
    name: NAME,
    onLevelRaised: (level, understood) => {
      must(level > highest, NAME, () => `level ${level} follows ${highest}`);
      highest = level;
      const lowest = Math.min(...understood);
      must(lowest >= level, NAME, () => `level ${level} with a node that understands ${lowest}`);
    },
  };
}
