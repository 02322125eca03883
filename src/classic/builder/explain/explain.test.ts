import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../../core/index.ts";
import { Sealer } from "../../../explain/index.ts";
import type { ContainerConfig, ImageRelations } from "../../../image/index.ts";
import { nearestChild } from "../../nearest-child.ts";
import { configChanges } from "./config-changes.ts";
import { historyText, sourceReason } from "./source-reason.ts";

const sealer = (): Sealer => new Sealer(Buffer.alloc(32, 1));
const NOP = ["/bin/sh", "-c"];
const HASH = ["0", "1"].map((digit) => `file:${digit.repeat(64)}`);

type Relation = ReturnType<ImageRelations["children"]>[number];

function children(...configs: readonly ContainerConfig[]): Pick<ImageRelations, "children"> {
  const relations = configs.map((containerConfig, index): Relation => {
    const id = digestOf(`image ${index}`);
    return {
      id,
      manifest: { mediaType: "", digest: id, size: 1 },
      parent: undefined,
      builtHere: true,
      containerConfig,
    };
  });
  return { children: () => relations };
}

test("the nearest child has the same command, and what differs of its config is told", () => {
  const config: ContainerConfig = {
    Env: ["A=1", "TOKEN=secret-two"],
    Labels: new Map([["x", "1"]]),
    User: "u",
    Cmd: [...NOP, `#(nop) COPY ${HASH[1]} in /x `],
  };
  const old: ContainerConfig = {
    ...config,
    Env: ["A=0", "TOKEN=secret-one"],
    Labels: new Map(),
    User: "",
    Cmd: [...NOP, `#(nop) COPY ${HASH[0]} in /x `],
  };
  const elsewhere = { ...config, Cmd: [...NOP, `#(nop) COPY ${HASH[1]} in /y `] };
  const worse = { ...old, Volumes: new Set(["/v"]) };
  const step = { config, runConfig: config, platform: { os: "linux", architecture: "amd64" } };
  const child = nearestChild(step, undefined, children(elsewhere, worse, old));
  assert.equal(child?.config, old);
  const changes = configChanges(child, config, sealer());
  assert.deepEqual(
    changes.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    [
      { kind: "option", name: "files of COPY", before: HASH[0], after: HASH[1] },
      { kind: "option", name: "LABEL x", before: undefined, after: "1" },
      { kind: "option", name: "User", before: undefined, after: "u" },
      { kind: "variable", of: "ENV", name: "A", hidden: false, before: "0", after: "1" },
      { kind: "variable", of: "ENV", name: "TOKEN", hidden: true },
    ].toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
  );
  assert.equal(nearestChild(step, undefined, children(elsewhere, config)), undefined);
});

test("a command is the same with other build arguments", () => {
  const step = {
    config: { Cmd: ["|1", "V=2", ...NOP, "make"] },
    runConfig: {},
    platform: { os: "linux", architecture: "amd64" },
  };
  const child = nearestChild(
    step,
    undefined,
    children({ Cmd: [...NOP, "make all"] }, { Cmd: ["|1", "V=1", ...NOP, "make"] }),
  );
  assert.ok(child);
  assert.deepEqual(configChanges(child, step.config, sealer()), [
    { kind: "variable", of: "ARG", name: "V", hidden: false, before: "1", after: "2" },
  ]);
});

test("texts of histories are shown as instructions, without credentials", () => {
  const shown = (text: string): string => historyText(text, sealer());
  assert.equal(shown("/bin/sh -c make"), "RUN make");
  assert.equal(shown("/bin/sh -c #(nop)  ENV A=1"), "ENV A=1");
  assert.equal(shown(`/bin/sh -c #(nop) COPY ${HASH[0]} in /x `), `COPY file:${"0".repeat(12)}… in /x`);
  assert.equal(shown("|2 API_TOKEN=hunter2 B=x y /bin/sh -c make"), "RUN make");
  assert.equal(shown("/bin/sh -c #(nop)  ENV A=1 API_TOKEN=two words B=3"), "ENV A=1 API_TOKEN=***");
  assert.equal(shown(`/bin/sh -c ${"x".repeat(300)}`).length, 200);
});

test("of several cache sources, the one counts that comes nearest", () => {
  const reason = sourceReason(
    [
      { name: "gone" },
      { name: "near", why: { kind: "other-step", n: 3, before: "/bin/sh -c a", after: "/bin/sh -c b" } },
      { name: "far", why: { kind: "shorter", n: 1 } },
    ],
    sealer(),
  );
  assert.deepEqual(reason, { kind: "unusable", cache: "near", detail: "entry 4 of its history is RUN a, not RUN b" });
  assert.equal(sourceReason([], sealer()), undefined);
});
