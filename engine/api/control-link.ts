import { WorkerService } from "../../proto/gen/nl/v1/worker.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import type { Index, NodeId, Term } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Clock } from "../platform/clock.ts";
import type { Done } from "../platform/completion.ts";
import type { ControlLink } from "../platform/control-link.ts";
import { registerToWire, reportToWire } from "../state/command-codec.ts";
import type { Api } from "./api.ts";

/** A report is repeated anyway; waiting longer for one answer gains nothing. */
const CALL_MILLIS = 8_000;

/** How the executor of a server reaches the leader: through this node's own API, here or one hop. */
export function createControlLink(options: {
  readonly api: Api;
  readonly nodeId: NodeId;
  readonly clock: Clock;
}): ControlLink {
  const { api, nodeId, clock } = options;
  const call = (path: string, request: Buffer): Promise<Result<Uint8Array, NlError>> =>
    api.call(
      path,
      {
        principal: { kind: "node", nodeId },
        deadlineMillis: clock.monotonicMillis() + CALL_MILLIS,
        signal: null,
        forwarded: false,
      },
      request,
    );
  const { heartbeat, report, register } = WorkerService;
  return {
    heartbeat: (beat, done) => {
      const request = heartbeat.requestSerialize({ ...beat, attemptIds: [...beat.attemptIds] });
      answer(call(heartbeat.path, request), done, (bytes) => {
        const { term, commitIndex, granted } = heartbeat.responseDeserialize(bytes);
        return { term: term as Term, commitIndex: commitIndex as Index, granted };
      });
    },
    report: (reports, done) => {
      const request = report.requestSerialize({ reports: reports.map(reportToWire) });
      answer(call(report.path, request), done, (bytes) => {
        return report.responseDeserialize(bytes).index as Index;
      });
    },
    register: (node, done) => {
      answer(
        call(register.path, register.requestSerialize(registerToWire(node))),
        done,
        (bytes) => {
          return register.responseDeserialize(bytes).index as Index;
        },
      );
    },
  };
}

function answer<T>(
  call: Promise<Result<Uint8Array, NlError>>,
  done: Done<T, NlError>,
  read: (bytes: Buffer) => T,
): void {
  call.then(
    (result) => done(result.ok ? ok(read(Buffer.from(result.value))) : result),
    (bug: unknown) => done(err(nlError("internal", `the call failed: ${String(bug)}`))),
  );
}
