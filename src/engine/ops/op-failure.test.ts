import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { fillRootfs, rootfsUnavailable } from "../../../testing/rootfs.ts";
import { Devices } from "../../cdi/index.ts";
import { VarveError, digestOf } from "../../core/index.ts";
import { createRunner, findRuntime } from "../../exec/index.ts";
import { type ExecOp, type FileOp, type Op, fileActions, local, scratch } from "../../llb/index.ts";
import { SCRATCH } from "../../record/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { executeExec } from "./exec.ts";
import { executeFile } from "./file.ts";
import { type OpFailure, opFailureOf } from "./op-failure.ts";
import { type Result, recordResult } from "./result.ts";
import { StepUsages } from "./step-usages.ts";

const skip = recordsMissing() ?? rootfsUnavailable() ?? false;

const context: OpContext = {
  signal: new AbortController().signal,
  vertex: `sha256:${"0".repeat(64)}`,
  report: () => undefined,
};

async function failureOf(work: Promise<unknown>): Promise<OpFailure> {
  try {
    await work;
  } catch (error) {
    const outer = new VarveError("internal", "outer", { cause: new VarveError("internal", "inner", { cause: error }) });
    return opFailureOf(outer) ?? assert.fail(String(error));
  }
  return assert.fail("it succeeded");
}

async function read(fixture: TemporaryRecords, result: Result | undefined, path: string): Promise<string> {
  assert.ok(result?.kind === "record");
  await using tree = await fixture.records.mount(result.id, fixture.hold);
  return readFileSync(join(tree.path, path), "utf8");
}

function opOf(state: { readonly edge: { readonly vertex: { readonly op: Op } } | undefined }): Op {
  return state.edge?.vertex.op ?? assert.fail();
}

test("what a step wrote before it failed is kept", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using runner = await createRunner({ stateDir: join(fixture.root, "run"), runtime: await findRuntime() });
  const rootfs = recordResult(await addLayer(fixture, SCRATCH, (path) => fillRootfs(path)));
  const input = recordResult(await addLayer(fixture, SCRATCH, () => undefined));
  const client = { secret: () => Promise.resolve(undefined), agent: () => Promise.resolve(undefined) };
  const deps = { ...fixture, client, runner: () => Promise.resolve(runner), limits: {} };
  const { root } = local("root").run({
    args: ["/bin/sh", "-c", "echo a > /f; echo b > /rw/f; echo c > /kept/f; exit 3"],
    mounts: [
      { type: "bind", target: "/rw", source: scratch() },
      { type: "bind", target: "/kept", source: local("input"), noOutput: true },
      { type: "bind", target: "/ro", source: local("input"), readonly: true },
      { type: "tmpfs", target: "/tmp" },
    ],
  });
  const op = opOf(root) as ExecOp;
  const run = (keepFailed: boolean): Promise<unknown> =>
    executeExec(
      { vertex: digestOf("step"), op, limits: {} },
      [rootfs, input],
      { ...deps, devices: () => Devices.load({ disabled: true }), usages: new StepUsages(), keepFailed },
      context,
    );
  const failure = await failureOf(run(true));
  assert.deepEqual(failure.subject, { kind: "exec" });
  const at = (dest: string): number => op.mounts.findIndex((mount) => mount.dest === dest);
  for (const [dest, text] of [
    ["/", "a\n"],
    ["/rw", "b\n"],
    ["/kept", "c\n"],
  ] as const)
    assert.equal(await read(fixture, failure.mounts[at(dest)], "f"), text);
  assert.deepEqual(failure.mounts[at("/ro")], input);
  assert.equal(failure.mounts[at("/tmp")], undefined);
  assert.deepEqual(failure.inputs[at("/")], rootfs);
  assert.deepEqual(failure.inputs[at("/rw")], undefined);
  assert.equal(failure.inputs.length, op.mounts.length);
  assert.deepEqual((await failureOf(run(false))).mounts, []);
});

test("what a file op changed before an action failed is kept", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const input = recordResult(await addLayer(fixture, SCRATCH, () => undefined));
  const { actions } = opOf(
    scratch().file(fileActions().mkdir("/foo", 0o755).mkfile("/foo/bar", 0o644, Buffer.from("text"))),
  ) as FileOp;
  const [mkdir, mkfile] = actions;
  const [copy] = (opOf(local("input").file(fileActions().copy(local("x"), "/foo/bar", "/notfound/baz"))) as FileOp)
    .actions;
  assert.ok(mkdir !== undefined && mkfile !== undefined && copy !== undefined);
  const op: FileOp = {
    kind: "file",
    actions: [
      { ...mkdir, input: -1, output: -1 },
      { ...mkfile, input: 1, output: -1 },
      { ...copy, input: 0, secondaryInput: 2, output: 0 },
    ],
  };
  const run = (keepFailed: boolean): Promise<unknown> =>
    executeFile({ op }, [input], { ...fixture, keepFailed }, context);
  const failure = await failureOf(run(true));
  assert.ok(failure.subject.kind === "file");
  const { index } = failure.subject;
  assert.equal(index, 2);
  assert.deepEqual(failure.inputs, [input]);
  assert.equal(failure.mounts.length, op.actions.length);
  assert.ok(failure.mounts[index]);
  assert.equal(await read(fixture, failure.mounts[1], "foo/bar"), "text");
  assert.ok((await failureOf(run(false))).mounts.every((each) => each === undefined));
});
