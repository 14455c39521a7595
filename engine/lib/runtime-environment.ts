/**
 * How the runtime is to behave in processes that are idle most of their lives. Left alone it
 * collects garbage every second and looks for pages to give back ten times a second, which is a
 * fifth of what an idle node uses. Garbage is still collected whenever the heap has grown by its usual share.
 */
const IDLE_SETTINGS = {
  BUN_GC_TIMER_DISABLE: "1",
  MIMALLOC_PURGE_DELAY: "2000",
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "5000",
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of a process of ours: what the user set counts, but no options for our runtime. */
export function processEnvironment(own: Environment): Record<string, string | undefined> {
  const { BUN_OPTIONS: _, ...rest } = own;
  return { ...IDLE_SETTINGS, ...rest };
}
