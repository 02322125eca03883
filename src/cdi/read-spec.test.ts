import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { readSpec } from "./read-spec.ts";
import type { CdiSpec } from "./types.ts";

const read = (document: unknown): Promise<CdiSpec> => readSpec("a.json", Buffer.from(JSON.stringify(document)));
const ENV = { env: ["A=b"] };

function spec(edits: unknown, cdiVersion = "1.1.0", more = {}): unknown {
  return { cdiVersion, kind: "vendor.com/class", devices: [{ name: "x", containerEdits: edits }], ...more };
}

test("everything that a device may change is read, from YAML 1.1 as Kubernetes' reader does", async () => {
  const yaml = `
cdiVersion: 1.1.0
kind: vendor.com/gpu
containerEdits:
  hooks:
  - {hookName: createContainer, path: /usr/bin/hook, args: [hook, "1", 2], env: [A=b], timeout: 5}
devices:
- name: 0
  containerEdits:
    deviceNodes:
    - path: /dev/gpu0
      hostPath: /dev/real0
      type: c
      major: 195
      fileMode: 0666
      permissions: rw
      uid: 1000
    mounts:
    - {hostPath: /usr/lib/x.so, containerPath: /usr/lib/x.so, options: [ro, nosuid, bind]}
    netDevices:
    - {hostInterfaceName: eth1, name: net0}
    intelRdt: {closID: a, schemata: ["L3:0=f"], enableMonitoring: yes}
    additionalGids: [44]
`;
  const { devices, edits, kind } = await readSpec("a.yaml", Buffer.from(yaml));
  assert.equal(kind, "vendor.com/gpu");
  assert.deepEqual(edits.hooks, [
    { name: "createContainer", path: "/usr/bin/hook", args: ["hook", "1", "2"], env: ["A=b"], timeout: 5 },
  ]);
  const [{ name, edits: own } = assert.fail()] = devices;
  assert.equal(name, "0");
  const [node] = own.deviceNodes;
  assert.deepEqual(
    [node?.path, node?.hostPath, node?.type, node?.major, node?.fileMode, node?.permissions, node?.uid, node?.gid],
    ["/dev/gpu0", "/dev/real0", "c", 195, 0o666, "rw", 1000, undefined],
  );
  assert.deepEqual(own.mounts[0]?.options, ["ro", "nosuid", "bind"]);
  assert.deepEqual(own.netDevices, [{ hostInterfaceName: "eth1", name: "net0" }]);
  assert.deepEqual([own.intelRdt?.schemata, own.intelRdt?.enableMonitoring], [["L3:0=f"], true]);
  assert.deepEqual(own.additionalGids, [44]);
});

test("a file needs the version that came with what it uses", async () => {
  const minimum: readonly (readonly [version: string, edits: unknown, more?: object])[] = [
    ["0.3.0", ENV],
    ["0.4.0", { mounts: [{ hostPath: "/a", containerPath: "/a", type: "tmpfs" }] }],
    ["0.5.0", { deviceNodes: [{ path: "/dev/a", hostPath: "/dev/b" }] }],
    ["0.5.0", ENV, { devices: [{ name: "0", containerEdits: ENV }] }],
    ["0.6.0", ENV, { annotations: { a: "b" } }],
    ["0.6.0", ENV, { kind: "vendor.com/a.b" }],
    ["0.7.0", { additionalGids: [1] }],
    ["0.7.0", { intelRdt: { closID: "a" } }],
    ["1.1.0", { netDevices: [{ hostInterfaceName: "a", name: "b" }] }],
  ];
  const versions = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];
  for (const [version, edits, more] of minimum) {
    await read(spec(edits, version, more));
    const before = versions[versions.indexOf(version) - 1] ?? "";
    await assert.rejects(read(spec(edits, before, more)), /came with version/, version);
  }
  await assert.rejects(read(spec(ENV, "9.0.0")), /is not known/);
});

test("what the specification does not allow is an error that says where", async () => {
  const wrong: readonly unknown[] = [
    [],
    null,
    spec(ENV, "1.1.0", { kind: "class" }),
    spec(ENV, "1.1.0", { kind: "vendor.com/" }),
    spec(ENV, "1.1.0", { kind: "-v/class" }),
    spec(ENV, "1.1.0", { devices: [] }),
    spec(ENV, "1.1.0", { surprise: 1 }),
    spec(ENV, "1.1.0", { annotations: { "a b": "c" } }),
    spec(ENV, "1.1.0", { annotations: { a: "x".repeat(300_000) } }),
    spec(ENV, "1.1.0", { devices: [{ name: "a=b", containerEdits: ENV }] }),
    spec(ENV, "1.1.0", { devices: [1, 2].map(() => ({ name: "a", containerEdits: ENV })) }),
    spec({}),
    spec({ env: ["=x"] }),
    spec({ env: ["A=\0"] }),
    spec({ surprise: [] }),
    spec({ deviceNodes: [{ path: "" }] }),
    spec({ deviceNodes: [{ path: "/dev/a", type: "x" }] }),
    spec({ deviceNodes: [{ path: "/dev/a", permissions: "rwx" }] }),
    spec({ deviceNodes: [{ path: "/dev/a", major: -1 }] }),
    spec({ mounts: [{ hostPath: "/a" }] }),
    spec({ hooks: [{ hookName: "later", path: "/a" }] }),
    spec({ hooks: [{ hookName: "prestart" }] }),
    spec({ intelRdt: { closID: "../a" } }),
    spec({ netDevices: ["a", "b"].map((name) => ({ hostInterfaceName: "same", name })) }),
  ];
  for (const document of wrong)
    await assert.rejects(
      read(document),
      (error) => isVarveError(error, "invalid-argument") && error.message.startsWith("Cannot read devices of a.json"),
      JSON.stringify(document).slice(0, 200),
    );
});

test("YAML that grows or repeats keys is an error", async () => {
  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ..."bcdefghij".split("").map((name, index) => {
      const above = String.fromCharCode("a".charCodeAt(0) + index);
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${above}`).join(",")}]`;
    }),
  ].join("\n");
  for (const yaml of [bomb, "kind: a\nkind: b", "a: [", "\0"])
    await assert.rejects(
      readSpec("a.yaml", Buffer.from(yaml)),
      (error) => isVarveError(error, "invalid-argument"),
      yaml,
    );
});
