import { Client, credentials, type ServiceError } from "@grpc/grpc-js";

/** Where and as whom to call; the three texts are PEM. */
export type Target = {
  readonly address: string;
  /** What the server's certificate must name: TLS cannot name an IP literal (FACTS, gRPC). */
  readonly serverName: string;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
};

const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** One channel without generated code, so that every system is called by the same program. */
export function openClient(target: Target): Client {
  const identity = credentials.createSsl(
    Buffer.from(target.caPem),
    Buffer.from(target.keyPem),
    Buffer.from(target.certificatePem),
  );
  return new Client(target.address, identity, {
    "grpc.ssl_target_name_override": target.serverName,
    "grpc.default_authority": target.serverName,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 200,
  });
}

export const asIs = (bytes: Buffer): Buffer => bytes;

/** One unary call; rejects with gRPC's own error. */
export function call(
  client: Client,
  path: string,
  options: { readonly request: Buffer; readonly deadlineMillis: number },
): Promise<Buffer> {
  const deadline = Date.now() + options.deadlineMillis;
  return new Promise((resolve, reject) => {
    const onAnswer = (error: ServiceError | null, answer?: Buffer) =>
      error === null && answer !== undefined ? resolve(answer) : reject(error);
    client.makeUnaryRequest(path, asIs, asIs, options.request, { deadline }, onAnswer);
  });
}
