import type { Client } from "../engine/client/client.ts";
import { openClient } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import type { World } from "./world.ts";

/** Runs a command's work with a client that is closed afterwards, whatever happens. */
export async function withClient<T>(
  { invocation, world }: { readonly invocation: Invocation; readonly world: World },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await openClient(invocation, world);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
