import { setDefaultTimeout } from "bun:test";
import { taskHostContract } from "./task-host.ts";
import { HostLab } from "./task-host-lab.ts";

// Real processes and containers, on machines that do much else.
setDefaultTimeout(30_000);

taskHostContract("real", async () => new HostLab("process"));
