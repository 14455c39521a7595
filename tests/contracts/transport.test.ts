import { FakeNetwork } from "./fake-transport.ts";
import { GrpcLab } from "./grpc-transport-lab.ts";
import { transportContract } from "./transport.ts";

transportContract("in memory", () => new FakeNetwork());

const lab = new GrpcLab();
transportContract("gRPC over mTLS on loopback", () => lab);
