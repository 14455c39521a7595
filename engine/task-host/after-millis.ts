/** `setTimeout` fires at once when it is asked for more than this. */
const TIMEOUT_MILLIS_MAX = 2 ** 31 - 1;

/** Calls back once, on the monotonic clock, however far away. Returns the cancellation. */
export function afterMillis(millis: number, callback: () => void): () => void {
  let timer: Timer;
  const wait = (left: number): void => {
    const step = Math.min(left, TIMEOUT_MILLIS_MAX);
    timer = setTimeout(() => (left > step ? wait(left - step) : callback()), Math.max(0, step));
  };
  wait(millis);
  return () => clearTimeout(timer);
}
