import { expect, test } from "bun:test";
import type { DriverStatus } from "../platform/task-host.ts";
import { stepsDown } from "./steps-down.ts";

const driver = (name: DriverStatus["name"], detail = "", usable = detail === ""): DriverStatus => ({
  name,
  usable,
  detail,
  limits: [],
});

const ALL = [driver("docker"), driver("bubblewrap"), driver("unshare"), driver("plain")];

test("says nothing when the first driver works", () => {
  expect(stepsDown(ALL, "auto")).toBe("");
});

test("says nothing before the drivers are known", () => {
  expect(stepsDown([], "auto")).toBe("");
});

test("names the driver that jobs run in instead, and why", () => {
  const drivers = [driver("docker", "no daemon"), ...ALL.slice(1)];

  expect(stepsDown(drivers, "auto")).toBe(
    "jobs without an image run in bubblewrap (docker: no daemon)",
  );
});

test("Docker without the default image is a step down, too", () => {
  const drivers = [driver("docker", "the image is missing", true), ...ALL.slice(1)];

  expect(stepsDown(drivers, "auto")).toBe(
    "jobs without an image run in bubblewrap (docker: the image is missing)",
  );
});

test("drivers that nobody asked for are no step down", () => {
  const drivers = [driver("docker", "process only", false), ...ALL.slice(1)];

  expect(stepsDown(drivers, "process")).toBe("");
});

test("plain processes are always said, with their reasons when nobody asked for them", () => {
  const none = (name: DriverStatus["name"]) => driver(name, "is not here");
  const drivers = [none("docker"), none("bubblewrap"), none("unshare"), driver("plain")];

  expect(stepsDown(ALL, "plain")).toBe("jobs run as plain processes, without isolation");
  expect(stepsDown(drivers, "auto")).toBe(
    "jobs run as plain processes, without isolation (docker: is not here; bubblewrap: is not here; unshare: is not here)",
  );
});

test("says that nothing works, and why", () => {
  expect(stepsDown([driver("docker", "no daemon")], "docker")).toBe(
    "jobs without an image cannot run here (docker: no daemon)",
  );
});
