import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";

const SOCKET_NAME = "task-host.sock";

/** The kernel takes 107 bytes; some of nl's folders are longer. */
const PATH_BYTES_MAX = 107;

export type SocketAddress = {
  /** For gRPC: `unix:<path>`. Valid until `close`. */
  readonly target: string;
  close(): void;
};

export const socketFile = (folder: string): string => join(folder, SOCKET_NAME);

/**
 * The address of the task host of `folder`. A path that is too long is reached through an open
 * file descriptor of its folder, which is always short.
 */
export function socketAddress(folder: string): SocketAddress {
  const path = socketFile(folder);
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) {
    return { target: `unix:${path}`, close: () => undefined };
  }
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    target: `unix:/proc/self/fd/${fd}/${SOCKET_NAME}`,
    close: () => closeSync(fd),
  };
}
