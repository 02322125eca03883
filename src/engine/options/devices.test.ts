import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Devices } from "../../cdi/index.ts";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { type CdiDevice, type Edge, cacheMapOf, scratch } from "../../llb/index.ts";
import { grantDevices } from "./devices.ts";

const device = (name: string, annotations = {}): unknown => ({
  name,
  annotations,
  containerEdits: { env: [`${name}=1`] },
});

const directory = await temporaryDirectory();
after(() => directory[Symbol.asyncDispose]());
const spec = (kind: string, devices: readonly unknown[]): string =>
  JSON.stringify({ cdiVersion: "0.6.0", kind, devices });
const AUTO = { "org.mobyproject.buildkit.device.autoallow": "true" };
writeFileSync(
  join(directory.path, "v.json"),
  spec("v.com/gpu", [
    device("a"),
    device("b"),
    device("open", AUTO),
    device("c", { "org.mobyproject.buildkit.device.class": "fast" }),
  ]),
);
const load = (): Promise<Devices> => Devices.load({ directories: [directory.path] });

function asking(...cdiDevices: readonly CdiDevice[]): Edge {
  const { edge } = scratch().run({ args: ["x"], cdiDevices }).root;
  assert.ok(edge !== undefined);
  return edge;
}

const required = (name: string): CdiDevice => ({ name, optional: false });
const optional = (name: string): CdiDevice => ({ name, optional: true });

async function granted(edge: Edge, ...allow: readonly string[]): Promise<readonly CdiDevice[]> {
  const [result] = await grantDevices([edge], new Set(allow), load);
  assert.ok(result?.vertex.op.kind === "exec");
  assert.equal(result.vertex.digest, edge.vertex.digest);
  return result.vertex.op.cdiDevices;
}

const refused =
  (text: RegExp) =>
  (error: unknown): boolean =>
    isVarveError(error, "invalid-build") && text.test(error.message);

test("a device needs an entitlement, optional or not, unless the machine allows it to all", async () => {
  await assert.rejects(
    granted(asking(required("v.com/gpu=a"))),
    refused(/: device v\.com\/gpu=a is requested by the build but not allowed$/),
  );
  await assert.rejects(
    granted(asking(optional("v.com/gpu=*")), "device=v.com/gpu=a"),
    refused(/devices v\.com\/gpu=b, v\.com\/gpu=c are requested by the build but not allowed/),
  );
  assert.deepEqual(await granted(asking(optional("v.com/gpu=open"))), [required("v.com/gpu=open")]);
});

test("an entitlement names a device, all of a kind, the first of a kind, or a class", async () => {
  const one = asking(required("v.com/gpu=a"));
  for (const allow of ["device=v.com/gpu=a", "device=v.com/gpu=*", "device=v.com/gpu"])
    assert.deepEqual(await granted(one, allow), [required("v.com/gpu=a")], allow);
  assert.deepEqual(await granted(asking(required("fast")), "device=fast"), [required("v.com/gpu=c")]);
  for (const allow of ["device=v.com/gpu=b", "device=nothing", "network.host"])
    await assert.rejects(granted(one, allow), refused(/not allowed/), allow);
});

test("an alias gives another device than the step asks for; without a filter, nothing changes", async () => {
  assert.deepEqual(await granted(asking(required("gpu")), "device=v.com/gpu=b,alias=gpu"), [required("v.com/gpu=b")]);
  const edge = asking(required("anything"), optional("v.com/gpu=a"));
  const [same] = await grantDevices([edge], new Set(["device"]), load);
  assert.equal(same, edge);
});

test("an optional device that is not there leaves no trace in the cache key; a required one is an error", async () => {
  const [result] = await grantDevices([asking(optional("v.com/none=x"))], new Set(), load);
  const plain = scratch().run({ args: ["x"] }).root.edge;
  assert.ok(result !== undefined && plain !== undefined);
  assert.equal(cacheMapOf(result.vertex).digest, cacheMapOf(plain.vertex).digest);
  await assert.rejects(
    granted(asking(required("v.com/none=x"))),
    (error) => isVarveError(error, "not-found") && error.message === 'required device "v.com/none=x" is not registered',
  );
});
