import { render } from "ink";
import type { Answer, Client, Watching } from "../engine/client/client.ts";
import type { Effect } from "../engine/view/ui-state.ts";
import { guardTerminal } from "./crash-guard.ts";
import { JobFollower } from "./follow-job.ts";
import { OutputFollower } from "./follow-output.ts";
import { Screen } from "./screen.tsx";
import { TopStore } from "./store.ts";

const DRAIN_DEADLINE_MILLIS = 3_600_000;

/** Runs `nl top` until it is left; the exit code. Needs a terminal on both ends. */
export async function runTop(client: Client): Promise<number> {
  const host: Host = { client, watching: null, quit: () => {} };
  const store = new TopStore((effect, target) => perform(host, effect, target));
  const followers = [new OutputFollower(client, store), new JobFollower(client, store)];
  const app = render(<Screen store={store} />, {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    maxFps: 30,
  });
  const unguard = guardTerminal(() => app.unmount());
  host.quit = () => app.unmount();
  store.start();
  const unsubscribe = store.subscribe(() => {
    for (const follower of followers) follower.sync();
  });
  host.watching = client.watch(
    { jobs: true, nodes: true, status: true, jobId: "", finishedLimit: 1_000 },
    (event) => store.onWatch(event),
  );
  try {
    await app.waitUntilExit();
    return 0;
  } finally {
    unsubscribe();
    for (const follower of followers) follower.close();
    host.watching.stop();
    store.stop();
    unguard();
  }
}

type Host = { readonly client: Client; watching: Watching | null; quit: () => void };

function perform(host: Host, effect: Effect, store: TopStore): void {
  const { client } = host;
  switch (effect.kind) {
    case "quit":
      host.quit();
      return;
    case "reconnect":
      host.watching?.reconnect();
      return;
    case "drain":
      tell(store, `draining ${effect.nodeId}`, () =>
        client.drainNode({
          nodeId: effect.nodeId,
          deadlineMillis: DRAIN_DEADLINE_MILLIS,
          message: "nl top",
        }),
      );
      return;
    case "undrain":
      tell(store, `${effect.nodeId} takes work again`, () => client.undrainNode(effect.nodeId));
      return;
    case "transfer":
      tell(store, "leadership moved", () => client.transferLeader(effect.nodeId));
      return;
    case "cancel":
      tell(store, `cancelling ${effect.jobId}`, () => client.cancelJob(effect.jobId));
      return;
    default:
      effect satisfies never;
  }
}

/** The outcome of an action goes to the message line; nothing is shown as done before it is. */
function tell(store: TopStore, done: string, call: () => Answer<unknown>): void {
  store.say({ text: "…", tone: "plain" });
  call().then(
    (answer) =>
      store.say(
        answer.ok ? { text: done, tone: "ok" } : { text: answer.error.message, tone: "error" },
      ),
    (cause: unknown) => store.say({ text: String(cause), tone: "error" }),
  );
}
