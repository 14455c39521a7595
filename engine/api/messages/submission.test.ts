import { describe, expect, test } from "bun:test";
import {
  SubmitJobRequest,
  SubmitJobsRequest,
  SubmitStreamRequest,
} from "../../../proto/gen/nl/v1/jobs.ts";
import { JobSpec as SpecMessage } from "../../../proto/gen/nl/v1/spec.ts";
import { decodeSpec, encodeSpec } from "../../state/spec-codec.ts";
import { specOf } from "../testing/live-cluster.ts";
import {
  readStreamRequest,
  readSubmission,
  readSubmissions,
  SUBMISSIONS_MAX,
  writeSubmissions,
} from "./submission.ts";

const spec = specOf("sh", "-ec", "echo hello");
const message = SpecMessage.decode(encodeSpec(spec));
const jobs = ["aaaaaaaaaaaa", "bbbbbbbbbbbb"].map((jobId) => ({ jobId, spec: message }));

describe("a submission read as bytes", () => {
  test("is what the generated codec wrote", () => {
    const read = readSubmission(
      SubmitJobRequest.encode({ jobId: "aaaaaaaaaaaa", spec: message }).finish(),
    );

    expect(read.jobId).toBe("aaaaaaaaaaaa");
    expect(decodeSpec(read.spec)).toEqual({ ok: true, value: spec });
  });

  test("in a batch keeps the order", () => {
    const read = readSubmissions(SubmitJobsRequest.encode({ jobs }).finish());

    expect(read.map(({ jobId }) => jobId)).toEqual(["aaaaaaaaaaaa", "bbbbbbbbbbbb"]);
    expect(read.every((one) => decodeSpec(one.spec).ok)).toBe(true);
  });

  test("on a stream comes with its sequence number", () => {
    const read = readStreamRequest(
      SubmitStreamRequest.encode({ sequence: 7_000_000_000, jobs }).finish(),
    );

    expect(read.sequence).toBe(7_000_000_000);
    expect(read.jobs).toHaveLength(2);
  });

  test("is written so that the generated codec reads it", () => {
    const written = writeSubmissions(jobs.map(({ jobId }) => ({ jobId, spec: encodeSpec(spec) })));

    expect(SubmitJobsRequest.decode(written).jobs).toEqual(jobs);
  });

  test("skips fields of a later version", () => {
    const later = Buffer.concat([
      Buffer.from([0x7a, 2, 1, 2]),
      SubmitJobRequest.encode({ jobId: "aaaaaaaaaaaa", spec: message }).finish(),
    ]);

    expect(readSubmission(later).jobId).toBe("aaaaaaaaaaaa");
  });

  test("is counted while it is read: many tiny jobs cost no more than the limit", () => {
    const batch = Buffer.alloc(2 * (SUBMISSIONS_MAX + 10_000), Buffer.from([10, 0]));
    const message = Buffer.alloc(2 * 10_000, Buffer.from([18, 0]));

    expect(() => readSubmissions(batch)).toThrow("at most 50000 jobs");
    expect(() => readStreamRequest(message)).toThrow("at most 4096 jobs");
  });

  test("cut anywhere is refused with an exception, never read beyond its end", () => {
    const whole = SubmitJobsRequest.encode({ jobs }).finish();

    for (let length = 1; length < whole.length; length++) {
      const read = attempt(() => readSubmissions(whole.subarray(0, length)));
      expect(read === null || read.length <= 2).toBe(true);
    }
    const lying = Buffer.from([10, 5, 10, 100, 1, 2, 3]);
    expect(() => readSubmissions(lying)).toThrow();
  });
});

function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
