import { expect, test } from "bun:test";
import { LeaseWatch } from "./lease-watch.ts";

const lease = (sentAtBootMillis: number) => ({
  sentAtBootMillis,
  termAfterMillis: 1500,
  killAfterMillis: 2500,
});

test("does not hold before the first answer", () => {
  expect(new LeaseWatch().stateAt(0)).toEqual({ kind: "kill" });
});

test.each([
  [1000, "holds"],
  [2499, "holds"],
  [2500, "term"],
  [3499, "term"],
  [3500, "kill"],
])("sent at 1000: at %d it says %s", (now, kind) => {
  const watch = new LeaseWatch();

  watch.renew(lease(1000));

  expect<string>(watch.stateAt(now).kind).toBe(kind);
});

test("an older answer that arrives late changes nothing", () => {
  const watch = new LeaseWatch();
  watch.renew(lease(5000));

  watch.renew(lease(1000));

  expect(watch.holdsAt(6000)).toBe(true);
});
