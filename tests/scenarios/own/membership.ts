import type { Block } from "../scenario.ts";
import {
  elected,
  follows,
  hard,
  leads,
  noop,
  replicating,
  stands,
  state,
  v1,
  v2,
} from "./words.ts";

type Scenarios = Readonly<Record<string, readonly Block[]>>;

/** One voter, about to lead. */
const alone: readonly Block[] = [
  { cmd: "add-nodes 1 voters=(1) index=2" },
  { cmd: "campaign 1" },
  { cmd: "process-ready 1", soft: { "1": stands }, hs: { "1": hard(1, 1, 2) } },
];

/** 4 is to replace the leader, 1, of three: joint, until told to leave. */
const replacing = (options = ""): readonly Block[] => [
  ...elected(3, options),
  { cmd: "add-nodes 1" },
  { cmd: "propose-conf-change 1 transition=explicit\nv4 r1" },
  {
    cmd: "stabilize",
    hs: { "1": hard(1, 1, 12), "2": hard(1, 1, 12), "4": hard(1, 0, 12) },
    entries: { "3": [v2(1, 12, "v4 r1")] },
    committed: { "1": [v2(1, 12, "v4 r1")] },
  },
  // The outgoing half still votes.
  {
    cmd: "raft-state",
    raftstate: {
      "1": state(leads(1), 1),
      "2": state(follows(1), 1),
      "3": state(follows(1), 1),
      "4": state(follows(1), 1),
    },
  },
];

export const MEMBERSHIP: Scenarios = {
  "one voter is added by an old-style entry": [
    ...alone,
    { cmd: "propose-conf-change 1 v1\nv2" },
    { cmd: "add-nodes 1" },
    {
      cmd: "stabilize",
      soft: { "2": follows(1) },
      hs: { "2": hard(1, 0, 4) },
      entries: { "1": [noop(1, 3), v1(1, 4, "v2")] },
      committed: { "1": [noop(1, 3), v1(1, 4, "v2")] },
    },
    { cmd: "raft-log 2", raftlog: { "2": [] } },
    { cmd: "status 1", status: { "1": { "1": replicating(4), "2": replicating(4) } } },
  ],

  "several are added through a joint configuration that ends by itself": [
    ...alone,
    { cmd: "propose-conf-change 1 transition=auto\nv2 v3" },
    { cmd: "add-nodes 2" },
    {
      cmd: "process-ready 1",
      soft: { "1": leads(1) },
      entries: { "1": [noop(1, 3), v2(1, 4, "v2 v3")] },
    },
    {
      cmd: "process-ready 1",
      hs: { "1": hard(1, 1, 4) },
      entries: {},
      committed: { "1": [noop(1, 3), v2(1, 4, "v2 v3")] },
    },
    // It asks to leave once it has applied the change, not before.
    { cmd: "process-ready 1", entries: { "1": [v2(1, 5, "")] } },
    { cmd: "stabilize 1 2", hs: { "1": hard(1, 1, 5), "2": hard(1, 0, 5) } },
    { cmd: "stabilize 1 3", soft: { "3": follows(1) }, hs: { "3": hard(1, 0, 5) } },
    { cmd: "raft-log 3", raftlog: { "3": [] } },
    { cmd: "propose-conf-change 1\nr2 r3" },
    {
      cmd: "stabilize",
      entries: { "1": [v2(1, 6, "r2 r3"), v2(1, 7, "")], "3": [v2(1, 6, "r2 r3"), v2(1, 7, "")] },
      hs: { "1": hard(1, 1, 7), "2": hard(1, 0, 7), "3": hard(1, 0, 7) },
    },
    {
      cmd: "raft-state",
      raftstate: {
        "1": state(leads(1), 1),
        "2": state(follows(1), 1, false),
        "3": state(follows(1), 1, false),
      },
    },
    { cmd: "status 1", status: { "1": { "1": replicating(7) } } },
  ],

  "an implicit transition is joint even for one, and ends by itself": [
    ...alone,
    { cmd: "propose-conf-change 1 transition=implicit\nl2" },
    { cmd: "add-nodes 1" },
    {
      cmd: "stabilize 1 2",
      entries: { "1": [noop(1, 3), v2(1, 4, "l2"), v2(1, 5, "")] },
      committed: { "2": [v2(1, 5, "")] },
    },
    { cmd: "raft-state", raftstate: { "2": state(follows(1), 1, false) } },
  ],

  "an explicit transition stays joint; what cannot follow becomes an empty entry": [
    ...alone,
    { cmd: "propose-conf-change 1 transition=explicit\nv2" },
    { cmd: "add-nodes 1" },
    { cmd: "stabilize", entries: { "1": [noop(1, 3), v2(1, 4, "v2")] } },
    { cmd: "propose-conf-change 1\nv3" },
    { cmd: "propose-conf-change 1" },
    { cmd: "stabilize", entries: { "2": [noop(1, 5), v2(1, 6, "")] } },
    { cmd: "propose-conf-change 1" },
    { cmd: "stabilize", entries: { "2": [noop(1, 7)] } },
  ],

  "a second change must wait for the first": [
    ...elected(3),
    { cmd: "propose-conf-change 1\nl4" },
    { cmd: "propose-conf-change 1 v1=true\nl5" },
    { cmd: "stabilize", entries: { "2": [v2(1, 12, "l4"), noop(1, 13)] } },
    { cmd: "propose-conf-change 1 v1=true\nl5" },
    { cmd: "stabilize", entries: { "2": [v1(1, 14, "l5")] } },
  ],

  "an update changes nothing but is an entry": [
    ...elected(3),
    { cmd: "propose-conf-change 1\nu2" },
    { cmd: "stabilize", committed: { "2": [v2(1, 12, "u2")] }, hs: { "3": hard(1, 1, 12) } },
    { cmd: "raft-state", raftstate: { "2": state(follows(1), 1) } },
  ],

  "a demoted voter votes until the joint phase ends": [
    ...elected(3),
    { cmd: "propose-conf-change 1 transition=explicit\nl3" },
    { cmd: "stabilize", hs: { "3": hard(1, 1, 12) } },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1) } },
    { cmd: "propose-conf-change 1" },
    { cmd: "stabilize", hs: { "3": hard(1, 1, 13) } },
    { cmd: "raft-state", raftstate: { "3": state(follows(1), 1, false) } },
  ],

  "a replaced leader hands over, then the others let it go": [
    ...replacing(),
    { cmd: "transfer-leadership from=1 to=4" },
    {
      cmd: "stabilize",
      soft: { "1": follows(4), "2": follows(4), "4": leads(4) },
      hs: { "1": hard(2, 4, 13), "4": hard(2, 4, 13) },
    },
    { cmd: "propose-conf-change 4" },
    {
      cmd: "stabilize",
      entries: { "1": [v2(2, 14, "")], "4": [v2(2, 14, "")] },
      hs: { "1": hard(2, 4, 14), "4": hard(2, 4, 14) },
    },
    {
      cmd: "raft-state",
      raftstate: {
        "1": state(follows(4), 2, false),
        "2": state(follows(4), 2),
        "4": state(leads(4), 2),
      },
    },
    {
      cmd: "status 4",
      status: { "4": { "2": replicating(14), "3": replicating(14), "4": replicating(14) } },
    },
  ],

  "a replaced leader steps down when it is told to": [
    ...replacing("step-down-on-removal=true"),
    { cmd: "propose-conf-change 1" },
    {
      cmd: "stabilize",
      soft: { "1": follows(0) },
      hs: { "1": hard(1, 1, 13), "2": hard(1, 1, 13), "4": hard(1, 0, 13) },
      committed: { "4": [v2(1, 13, "")] },
    },
    {
      cmd: "raft-state",
      raftstate: { "1": state(follows(0), 1, false), "2": state(follows(1), 1) },
    },
    { cmd: "propose 1 a", text: ["raft proposal dropped"] },
    { cmd: "campaign 1" },
    { cmd: "raft-state", raftstate: { "1": state(follows(0), 1, false) } },
    { cmd: "campaign 2" },
    { cmd: "stabilize", soft: { "2": leads(2), "3": follows(2), "4": follows(2) } },
    { cmd: "raft-state", raftstate: { "1": state(follows(0), 1, false) } },
  ],

  "a removed leader without the option leads on, and takes no proposals": [
    ...elected(3),
    { cmd: "propose-conf-change 1\nr1" },
    { cmd: "propose 1 a" },
    { cmd: "stabilize 1 2", hs: { "1": hard(1, 1, 13), "2": hard(1, 1, 13) } },
    { cmd: "raft-state", raftstate: { "1": state(leads(1), 1, false) } },
    { cmd: "status 1", status: { "1": { "2": replicating(13), "3": replicating(11) } } },
    { cmd: "propose 1 b", text: ["raft proposal dropped"] },
    { cmd: "stabilize", hs: { "3": hard(1, 1, 13) } },
  ],

  "a removed leader steps down; what it had not committed is for the next one": [
    ...elected(3, "step-down-on-removal=true"),
    { cmd: "propose-conf-change 1 v1=true\nr1" },
    {
      cmd: "stabilize 1 2",
      soft: { "1": follows(0) },
      hs: { "1": hard(1, 1, 12), "2": hard(1, 1, 12) },
    },
    { cmd: "stabilize", hs: { "3": hard(1, 1, 12) } },
    {
      cmd: "raft-state",
      raftstate: {
        "1": state(follows(0), 1, false),
        "2": state(follows(1), 1),
        "3": state(follows(1), 1),
      },
    },
    { cmd: "propose 1 a", text: ["raft proposal dropped"] },
    { cmd: "campaign 3" },
    { cmd: "stabilize", soft: { "3": leads(3), "2": follows(3) }, hs: { "2": hard(2, 3, 13) } },
    { cmd: "raft-log 1", raftlog: { "1": [noop(1, 11), v1(1, 12, "r1")] } },
  ],
};
