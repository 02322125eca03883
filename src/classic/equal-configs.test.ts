import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ContainerConfig, encodeContainerConfig, parseContainerConfig } from "../image/index.ts";
import { differingFields } from "./equal-configs.ts";
import { equalConfigs } from "./index.ts";

const FULL: ContainerConfig = {
  User: "u",
  ExposedPorts: new Set(["80/tcp"]),
  Env: ["A=1", "B=2"],
  Entrypoint: ["e"],
  Cmd: ["c", "d"],
  Volumes: new Set(["/v"]),
  WorkingDir: "/w",
  Labels: new Map([
    ["a", "1"],
    ["b", "2"],
  ]),
  StopSignal: "TERM",
  Healthcheck: { Test: ["CMD", "x"], Interval: 1, Timeout: 2, StartPeriod: 3, StartInterval: 4, Retries: 5 },
  OnBuild: ["RUN x"],
  Shell: ["/bin/sh", "-c"],
  StopTimeout: 3,
};

test("C27: host name, domain name, image and MAC address do not count, nor whether something is empty or absent", () => {
  const other: ContainerConfig = { ...FULL, Hostname: "h", Domainname: "d", Image: "i", MacAddress: "m" };
  assert.ok(equalConfigs(FULL, other));
  const empty: ContainerConfig = {
    Labels: new Map(),
    Env: [],
    Volumes: new Set(),
    Entrypoint: [],
    User: "",
    Tty: false,
  };
  assert.ok(equalConfigs({}, empty));
  const { Entrypoint: _entrypoint, ...none } = FULL;
  assert.ok(equalConfigs({ ...FULL, Entrypoint: [] }, none));
});

test("C28: each other field counts", () => {
  const changes: readonly ContainerConfig[] = [
    { User: "x" },
    { ExposedPorts: new Set(["80/udp"]) },
    { ExposedPorts: new Set(["80/tcp", "81/tcp"]) },
    { Env: ["A=1"] },
    { Entrypoint: [] },
    { Cmd: ["c d"] },
    { Volumes: new Set(["/x"]) },
    { WorkingDir: "/" },
    { Labels: new Map([["a", "1"]]) },
    { StopSignal: "INT" },
    { Healthcheck: { ...FULL.Healthcheck, Interval: 2 } },
    { Healthcheck: { ...FULL.Healthcheck, Timeout: 3 } },
    { Healthcheck: { ...FULL.Healthcheck, StartPeriod: 4 } },
    { Healthcheck: { ...FULL.Healthcheck, StartInterval: 5 } },
    { Healthcheck: { ...FULL.Healthcheck, Retries: 6 } },
    { Healthcheck: { ...FULL.Healthcheck, Test: ["NONE"] } },
    { OnBuild: [] },
    { Shell: ["/bin/bash", "-c"] },
    { StopTimeout: 4 },
    { AttachStdin: true },
    { AttachStdout: true },
    { AttachStderr: true },
    { NetworkDisabled: true },
    { Tty: true },
    { StdinOnce: true },
    { ArgsEscaped: true },
  ];
  for (const change of changes) {
    assert.equal(equalConfigs(FULL, { ...FULL, ...change }), false, JSON.stringify(change));
    assert.deepEqual(differingFields(FULL, { ...FULL, ...change }), Object.keys(change));
  }
  const { Healthcheck: _check, StopTimeout: _timeout, ...rest } = FULL;
  assert.equal(equalConfigs(FULL, { ...rest, StopTimeout: 3 }), false);
  assert.equal(equalConfigs({}, { StopTimeout: 0 }), false);
});

test("C29: labels are a map, variables a list", () => {
  assert.ok(equalConfigs(FULL, { ...FULL, Labels: new Map([...(FULL.Labels ?? [])].reverse()) }));
  assert.equal(equalConfigs(FULL, { ...FULL, Env: ["B=2", "A=1"] }), false);
});

test("an open standard input never matches, not even itself", () => {
  assert.equal(equalConfigs({ OpenStdin: true }, { OpenStdin: true }), false);
  assert.equal(equalConfigs({ OpenStdin: true }, {}), false);
  assert.deepEqual(differingFields({ OpenStdin: true }, {}), ["OpenStdin"]);
  assert.ok(equalConfigs({ OpenStdin: false }, {}));
});

const text = fc.constantFrom("", "a", "b c", "b", "é<");
const list = fc.array(text, { maxLength: 3 });
const keys = list.map((items) => new Set(items));
const config = fc.record<ContainerConfig>(
  {
    User: text,
    Env: list,
    Cmd: list,
    Entrypoint: list,
    ExposedPorts: keys,
    Volumes: keys,
    Labels: fc.array(fc.tuple(text, text), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    Healthcheck: fc.record({ Test: list, Interval: fc.nat(2) }, { requiredKeys: [] }),
    StopTimeout: fc.nat(2),
    Tty: fc.boolean(),
  },
  { requiredKeys: [] },
);

test("what was stored and read again is equal to what it was, and equality goes both ways", () => {
  fc.assert(
    fc.property(config, config, (a, b) => {
      assert.ok(equalConfigs(a, parseContainerConfig(encodeContainerConfig(a))));
      assert.equal(equalConfigs(a, b), equalConfigs(b, a));
      assert.equal(equalConfigs(a, b), differingFields(a, b).length === 0);
      if (encodeContainerConfig(a) === encodeContainerConfig(b)) assert.ok(equalConfigs(a, b));
    }),
  );
});
