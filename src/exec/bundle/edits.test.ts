import assert from "node:assert/strict";
import { test } from "node:test";
import { editedEnv, editedNodes } from "./edits.ts";

test("a variable of a device replaces the step's, in its place", () => {
  const env = editedEnv(["A=1", "AB=2", "C=3"], { env: ["A=x=y", "D=4", "C="] });
  assert.deepEqual(env, ["A=x=y", "AB=2", "C=", "D=4"]);
});

test("the nodes of a device may be used as it says; a complete one need not be on the machine", () => {
  const { devices, rules } = editedNodes({
    deviceNodes: [
      { path: "/dev/a", hostPath: "/dev/null" },
      { path: "/dev/b", type: "b", major: 240, minor: 3, permissions: "r" },
      { path: "/dev/c", type: "u", major: 241 },
      { path: "/dev/c", type: "c", major: 242 },
      { path: "/dev/p", type: "p" },
    ],
  });
  assert.deepEqual(
    devices.map(({ path, type, major, minor }) => [path, type, major, minor]),
    [
      ["/dev/a", "c", 1, 3],
      ["/dev/b", "b", 240, 3],
      ["/dev/c", "c", 242, 0],
      ["/dev/p", "p", undefined, undefined],
    ],
  );
  assert.deepEqual(rules, [
    { type: "c", major: 1, minor: 3, access: "rwm" },
    { type: "b", major: 240, minor: 3, access: "r" },
    { type: "c", major: 241, minor: 0, access: "rwm" },
    { type: "c", major: 242, minor: 0, access: "rwm" },
  ]);
});
