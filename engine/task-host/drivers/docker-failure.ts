import type { StartFailure } from "../task-driver.ts";
import { DEFAULT_IMAGE } from "./docker-container.ts";

/** What dockerode throws: an answer of the daemon, or the reason why there is none. */
type DockerError = {
  readonly statusCode?: number;
  readonly code?: string;
  readonly reason?: string;
  readonly json?: unknown;
  readonly message?: string;
};

export const statusOf = (error: unknown): number | null =>
  (error as DockerError).statusCode ?? null;

export const isNotFound = (error: unknown): boolean => statusOf(error) === 404;

/** 304, 404, 409: the container is already in the state that was asked for, or is gone. */
export const isAlreadySo = (error: unknown): boolean =>
  [304, 404, 409].includes(statusOf(error) ?? 0);

export function startFailure(error: unknown, image: string): StartFailure {
  const status = statusOf(error);
  if (status === null) return { kind: "no-docker", detail: noAnswer(error) };
  if (status === 404) return { kind: "no-image", detail: missingImage(image || DEFAULT_IMAGE) };
  return { kind: "not-started", detail: `Docker refused: ${textOf(error)}` };
}

/** The daemon was not reached: who may not speak to it needs another cure than who finds none. */
export function noAnswer(error: unknown): string {
  const { code } = error as DockerError;
  return code === "EACCES" || code === "EPERM"
    ? "you may not use the Docker socket: sudo usermod -aG docker $USER, then log in again"
    : `Docker does not answer (${textOf(error)}): is its service running?`;
}

export const missingImage = (image: string): string =>
  `the image ${image} is not on this machine, and nl does not pull by itself: ` +
  `run \`docker pull ${image}\` here`;

export function textOf(error: unknown): string {
  const { json, message, code } = error as DockerError;
  const said = typeof json === "object" && json !== null && "message" in json ? json.message : null;
  return String(said ?? message ?? code ?? error);
}
