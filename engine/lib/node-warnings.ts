/** A node says this while no task host is connected to it: it takes no work, and its drivers are unknown. */
export const TASK_HOST_AWAY =
  "its task host is not connected: no job starts there (see tasks/task-host.log in its directory)";
