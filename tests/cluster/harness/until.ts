const EVERY_MILLIS = 25;

/**
 * Asks until there is an answer. Null and false mean "not yet"; what the last ask threw is told
 * when time is up.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | false> | T | null | false,
  limitMillis = 10_000,
): Promise<T> {
  const deadline = performance.now() + limitMillis;
  let trouble = "";
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== false) return answer;
      trouble = "";
    } catch (cause) {
      trouble = `: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${limitMillis} ms: ${what}${trouble}`);
    }
    await Bun.sleep(EVERY_MILLIS);
  }
}
