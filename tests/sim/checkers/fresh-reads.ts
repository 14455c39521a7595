import { type Checker, must } from "../checker.ts";

const NAME = "fresh reads";

/** A read that began after an acked write sees it. (SEMANTICS S6; property 16) */
export function freshReads(): Checker {
  return {
    name: NAME,
    onRead: (acked, index) => {
      must(
        index >= acked,
        NAME,
        () => `a read begun after ack ${acked} was answered as of ${index}`,
      );
    },
  };
}
