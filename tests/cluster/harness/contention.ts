const BUSY_CPU_MILLIS = 60;

/**
 * How many times longer than alone a program takes on this machine right now: wall time by
 * processor time of some work. 1 on a quiet one. Bounds that were promised for a quiet machine are
 * multiplied by it, so that they stay bounds where others compute beside the tests.
 */
export function contention(): number {
  const from = { wall: performance.now(), cpu: cpuMillis() };
  let spun = 0;
  while (cpuMillis() - from.cpu < BUSY_CPU_MILLIS) for (let i = 0; i < 10_000; i++) spun += i;
  const wall = performance.now() - from.wall + (spun < 0 ? 1 : 0);
  return Math.max(1, wall / (cpuMillis() - from.cpu));
}

function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
