import type { LeaderDuties } from "../../../engine/leader/leader-duties.ts";
import { type NlError, nlError } from "../../../engine/lib/error-code.ts";
import { NOBODY, type PeerId } from "../../../engine/lib/ids.ts";
import { err, type Result } from "../../../engine/lib/result.ts";
import type { Done } from "../../../engine/platform/completion.ts";
import type { ControlLink } from "../../../engine/platform/control-link.ts";
import type { SimCluster } from "../cluster.ts";
import type { SimProcess } from "../world/sim-process.ts";
import type { SimNode } from "./sim-node.ts";

const CALL_MILLIS_MAX = 1_200;

/** Calls of a node's executor to whoever this node believes to lead, over the bad network. */
export function simControlLink(
  cluster: SimCluster<SimNode>,
  self: PeerId,
  process: SimProcess,
): ControlLink {
  const call = <T>(
    done: Done<T, NlError>,
    serve: (duties: LeaderDuties, answer: Done<T, NlError>) => void,
  ): void => {
    const answer = onceWithin(process, done);
    const leader = cluster.driver(self)?.replica.status().leader ?? NOBODY;
    if (leader === NOBODY) {
      process.soon(() => answer(err(nlError("no_leader", "nobody leads", "try again"))));
      return;
    }
    cluster.network.packet(self, leader, () => {
      cluster.within(leader, (node) => {
        serve(node.duties, (result) => {
          cluster.network.packet(leader, self, () => process.run(() => answer(result)));
        });
      });
    });
  };
  return {
    heartbeat: (beat, done) => {
      call(done, (duties, answer) => duties.heartbeat(beat, answer));
      process.beatLeft();
    },
    report: (reports, done) => call(done, (duties, answer) => duties.report(reports, answer)),
    register: (node, done) => call(done, (duties, answer) => duties.register(node, answer)),
  };
}

/** The first answer counts; none in time is `indefinite`. */
function onceWithin<T>(process: SimProcess, done: Done<T, NlError>): Done<T, NlError> {
  let isAnswered = false;
  const answer = (result: Result<T, NlError>): void => {
    if (isAnswered) return;
    isAnswered = true;
    cancel();
    done(result);
  };
  const cancel = process.after(CALL_MILLIS_MAX, () => {
    answer(err(nlError("indefinite", "the leader did not answer in time", "try again")));
  });
  return answer;
}
