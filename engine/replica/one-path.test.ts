import { expect, test } from "bun:test";
import { createRaft } from "../raft/raft.ts";
import type { Message, Raft } from "../raft/types.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";

/** Notes what enters and leaves a core. */
function watched(raft: Raft, sent: Message[], stepped: Message[]): Raft {
  const { take, step } = raft;
  raft.take = () => {
    const effects = take.call(raft);
    sent.push(...(effects?.messages ?? []));
    return effects;
  };
  raft.step = (message) => {
    stepped.push(message);
    step.call(raft, message);
  };
  return raft;
}

test("heartbeats have no path around the core: all that is sent comes out of one (P26)", () => {
  const sent: Message[] = [];
  const stepped: Message[] = [];
  const cluster = new FakeCluster(3, () => ({
    createRaft: (config, boot) => watched(createRaft(config, boot), sent, stepped),
  }));
  cluster.start();
  cluster.leader();

  cluster.world.advance(5_000);

  expect(sent.filter(({ kind }) => kind === "heartbeat").length).toBeGreaterThan(50);
  expect(cluster.network.messageCount).toBe(sent.length);
  const known = new Set(sent);
  expect(stepped.filter((message) => !known.has(message))).toEqual([]);
  // Only what is still under way has not arrived.
  expect(sent.length - stepped.length).toBeLessThan(20);
});
