import {
  type MethodDefinition,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";

/** What stands in for a request that was not taken; `refuseUnreadable` answers it. */
class UnreadableRequest {
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string) {
    this.code = code;
    this.details = details;
  }
}

/**
 * A service whose requests are measured before they are decoded, method by method (DESIGN §4,
 * Limits): grpc-js knows one limit per server only. Larger ones become RESOURCE_EXHAUSTED, and
 * undecodable ones INVALID_ARGUMENT, on a server made by `createGrpcServer`.
 */
export function limitBytes<S extends ServiceDefinition>(
  service: S,
  maxBytes: Readonly<Record<keyof S, number>>,
): S {
  const limited = Object.entries(service).map(([name, method]) => {
    const decode = (bytes: Buffer) => decodeWithin(bytes, maxBytes[name] ?? 0, method);
    return [name, { ...method, requestDeserialize: decode }] as const;
  });
  // The same names with the same shapes: only the decoders differ.
  return Object.fromEntries(limited) as S;
}

function decodeWithin(
  bytes: Buffer,
  maxBytes: number,
  method: MethodDefinition<unknown, unknown>,
): unknown {
  if (bytes.length > maxBytes) {
    const details = `the request has ${bytes.length} bytes; ${method.path} takes ${maxBytes}`;
    return new UnreadableRequest(status.RESOURCE_EXHAUSTED, details);
  }
  try {
    return method.requestDeserialize(bytes);
  } catch {
    return new UnreadableRequest(status.INVALID_ARGUMENT, "the request cannot be decoded");
  }
}

/** Ends a call whose request was not taken, before any handler sees it. */
export const refuseUnreadable: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) => {
      const listener = new ServerListenerBuilder().withOnReceiveMessage((message, deliver) => {
        if (message instanceof UnreadableRequest) {
          call.sendStatus({ code: message.code, details: message.details });
        } else deliver(message);
      });
      next(listener.build());
    },
  });
