/** Milliseconds as people say them: `4.2s`, `3m12s`, `2h05m`, `3d04h`. */
export function formatDuration(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  if (seconds < 10) return `${(Math.max(0, millis) / 1000).toFixed(1)}s`;
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/** Microseconds as a short latency: `0.04ms`, `1.3ms`, `120ms`, `4.2s`. */
export function formatLatency(micros: number): string {
  const millis = micros / 1_000;
  if (millis >= 1_000) return `${(millis / 1_000).toFixed(1)}s`;
  if (millis >= 10) return `${Math.round(millis)}ms`;
  return `${millis.toFixed(millis < 0.1 ? 2 : 1)}ms`;
}

const two = (value: number): string => String(value).padStart(2, "0");
