import type { TaskHost } from "../platform/task-host.ts";

const NONE = { kind: "unavailable", detail: "this node takes no work" } as const;

/** For a node that only serves: it registers and is heard of like the others, and runs nothing. */
export const noTasks = (soon: (callback: () => void) => void): TaskHost => ({
  start: () => {},
  startTask: (_request, done) => soon(() => done({ ok: false, error: NONE })),
  stopTask: (_stop, done) => soon(() => done({ ok: true, value: undefined })),
  removeTask: (_attemptId, done) => soon(() => done({ ok: true, value: undefined })),
  renewLease: () => {},
  stop: () => {},
});
