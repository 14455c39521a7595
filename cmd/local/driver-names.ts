/** What `--driver` takes; `process` is the sandbox of this machine, whichever it has. */
export const DRIVERS = ["auto", "docker", "process", "plain"] as const;
