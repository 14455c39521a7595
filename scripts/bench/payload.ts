import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { type JobId, mintJobId } from "../../engine/lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../engine/lib/job-spec.ts";
import { encodeSpec } from "../../engine/state/spec-codec.ts";

/**
 * What one submission weighs. `nl.v1.SubmitJobRequest` (job_id = 1, spec = 2) and
 * `etcdserverpb.PutRequest` (key = 1, value = 2) have the same bytes: 12 characters and a job spec.
 * So both systems get literally the same message from the same code.
 */
export type Payload = {
  readonly entry: (id: string) => Buffer;
  readonly bytes: number;
};

const ID_BYTES = 12;
const PLACEHOLDER = "%".repeat(ID_BYTES);
const COMMAND = [
  "sh",
  "-ec",
  "curl -fsS https://images.example/in/4711.png | resize 640 > out.png",
];

/** `distinct`: the spec names its job, so that no two are equal and nothing can be interned. */
export function createPayload(options: { readonly distinct: boolean }): Payload {
  const spec = encodeSpec(benchSpec(options.distinct ? PLACEHOLDER : "thumbnails-4", COMMAND));
  const writer = new BinaryWriter();
  const template = Buffer.from(
    writer.uint32(10).string(PLACEHOLDER).uint32(18).bytes(spec).finish(),
  );
  const places = placesOf(template);
  return {
    bytes: template.length,
    entry(id) {
      const bytes = Buffer.from(template);
      for (const place of places) bytes.write(id, place, ID_BYTES, "latin1");
      return bytes;
    },
  };
}

export const freshId = (): JobId => mintJobId((n) => Math.floor(Math.random() * n));

export function benchSpec(name: string, command: readonly string[]): JobSpec {
  return { ...SPEC_DEFAULTS, name, command, image: "", env: {}, labels: {} };
}

/** `SubmitJobsRequest`: jobs = 1. */
export function batchOf(entries: readonly Buffer[]): Buffer {
  const writer = new BinaryWriter();
  for (const entry of entries) writer.uint32(10).bytes(entry);
  return Buffer.from(writer.finish());
}

/** `SubmitStreamRequest`: sequence = 1, jobs = 2. */
export function streamRequest(sequence: number, entry: Buffer): Buffer {
  return Buffer.from(
    new BinaryWriter().uint32(8).uint64(sequence).uint32(18).bytes(entry).finish(),
  );
}

/** Walks the top level of a message: proof enough that the answer is one. */
export function checkMessage(bytes: Buffer): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [, wireType] = reader.tag();
    reader.skip(wireType);
  }
}

function placesOf(template: Buffer): readonly number[] {
  const places: number[] = [];
  let at = template.indexOf(PLACEHOLDER);
  while (at !== -1) {
    places.push(at);
    at = template.indexOf(PLACEHOLDER, at + 1);
  }
  return places;
}
