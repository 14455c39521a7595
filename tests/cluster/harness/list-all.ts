import type { Client, Job } from "../../../engine/client/client.ts";

const PAGE = 500;

/** Every job the cluster knows. */
export async function listAll(client: Client): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  let cursor = "";
  do {
    const page = await client.listJobs({ limit: PAGE, cursor });
    if (!page.ok) throw new Error(page.error.message);
    jobs.push(...page.value.jobs);
    cursor = page.value.nextCursor;
  } while (cursor !== "");
  return jobs;
}
