import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { TaskHostClient as WireClient } from "../../proto/gen/nl/v1/task_host.ts";
import { DriverLadder } from "./driver-ladder.ts";
import { Journal } from "./journal.ts";
import { LeaseFile } from "./lease-file.ts";
import { type SocketAddress, socketAddress } from "./socket-path.ts";
import { TaskHostServer } from "./task-host-server.ts";
import { Tasks } from "./tasks.ts";

/** A disk that cannot be read when output is asked for. */
class UnreadableTasks extends Tasks {
  override output(): never {
    throw new Error("too many open files");
  }
}

let folder: string;
let address: SocketAddress;
let server: TaskHostServer;
let client: WireClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "nl-host-"));
  const journal = await Journal.open(join(folder, "tasks.journal"));
  if (!journal.ok) throw new Error(journal.error.detail);
  const ladder = new DriverLadder([], { choice: "plain", plainAllowed: true });
  const leaseFile = new LeaseFile(join(folder, "lease.json"));
  const parts = { folder, journal: journal.value, ladder, leaseFile };
  const tasks = new UnreadableTasks({ ...parts, hasRoom: () => true });
  server = new TaskHostServer({
    version: "test",
    nodeId: "n1",
    tasks,
    drivers: async () => [],
    onAgents: () => undefined,
    onShutdown: () => undefined,
  });
  address = socketAddress(folder);
  await server.listen(address);
  client = new WireClient(address.target, credentials.createInsecure());
});

afterEach(() => {
  client.close();
  server.stop();
  address.close();
  rmSync(folder, { recursive: true });
});

test("output that cannot be read costs its reader an error, and the tasks nothing", async () => {
  const job = { jobId: "0123456789ab", attempt: 1, offset: 0, tailBytes: 0 };

  const call = client.readOutput({ ...job, follow: false, untilJobOver: false });
  const failure = await new Promise<ServiceError>((resolve) => {
    call.on("data", () => undefined);
    call.on("error", resolve);
  });

  expect(failure.details).toContain("too many open files");
});
