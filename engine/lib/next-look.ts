/**
 * Milliseconds until a look that repeats is due again: at a whole multiple of its period, so that
 * the looks of all modules fall together and an idle node wakes up once for all of them. From half
 * a period to one and a half; exactly a period from then on.
 */
export function untilNextLook(nowMillis: number, periodMillis: number): number {
  const left = periodMillis - (nowMillis % periodMillis);
  return left < periodMillis / 2 ? left + periodMillis : left;
}
