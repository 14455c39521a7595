import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerAddress } from "./docker-address.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nl-address-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("takes a socket from DOCKER_HOST when it is there", () => {
  const socketPath = join(folder, "d.sock");
  writeFileSync(socketPath, "");

  expect(dockerAddress({ DOCKER_HOST: `unix://${socketPath}` })).toEqual({
    ok: true,
    value: { socketPath },
  });
});

test("says what to do when there is no socket", () => {
  const address = dockerAddress({ DOCKER_HOST: `unix://${folder}/none.sock` });

  expect(address.ok ? "" : address.error).toContain("install docker.io, or start its service");
});

test.each([
  ["tcp://10.0.0.1:2375", { protocol: "http", host: "10.0.0.1", port: 2375 }],
  ["10.0.0.1:4243", { protocol: "http", host: "10.0.0.1", port: 4243 }],
  ["tcp://docker.example", { protocol: "http", host: "docker.example", port: 2375 }],
] as const)("reads %s", (text, value) => {
  expect(dockerAddress({ DOCKER_HOST: text })).toEqual({ ok: true, value });
});

test("takes certificates along when TLS is asked for", () => {
  for (const name of ["ca.pem", "cert.pem", "key.pem"]) writeFileSync(join(folder, name), name);
  const env = { DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder };

  const address = dockerAddress(env);

  expect(address).toMatchObject({ ok: true, value: { protocol: "https", host: "h", port: 2376 } });
});

test("refuses what it does not understand", () => {
  expect(dockerAddress({ DOCKER_HOST: "ssh://somewhere" }).ok).toBe(false);
});
