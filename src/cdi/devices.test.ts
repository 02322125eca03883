import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { Devices } from "./devices.ts";

const VENDOR1 = `
cdiVersion: "0.6.0"
kind: "vendor1.com/device"
annotations:
  org.mobyproject.buildkit.device.autoallow: true
containerEdits:
  env: [ALL=1]
devices:
- name: foo
  annotations:
    org.mobyproject.buildkit.device.class: class1
  containerEdits:
    env:
    - FOO=injected
- name: bar
  annotations:
    org.mobyproject.buildkit.device.class: class1
    org.mobyproject.buildkit.device.autoallow: false
  containerEdits:
    env:
    - BAR=injected
`;
const single = (kind: string, name: string, value: string): string =>
  JSON.stringify({ cdiVersion: "0.5.0", kind, devices: [{ name, containerEdits: { env: [`V=${value}`] } }] });

test("devices are found by name, kind, wildcard and class", async () => {
  await using directory = await temporaryDirectory();
  writeFileSync(join(directory.path, "one.yaml"), VENDOR1);
  writeFileSync(join(directory.path, "two.json"), single("vendor2.com/gpu", "0", "2"));
  writeFileSync(join(directory.path, "ignored.yml"), "not: read");
  mkdirSync(join(directory.path, "folder.json"));
  const devices = await Devices.load({
    directories: [join(directory.path, "missing"), directory.path],
    autoAllowed: ["vendor2.com/gpu"],
  });
  assert.deepEqual(devices.problems, []);
  assert.deepEqual(
    devices.list().map(({ name, autoAllow }) => [name, autoAllow]),
    [
      ["vendor1.com/device=bar", false],
      ["vendor1.com/device=foo", true],
      ["vendor2.com/gpu=0", true],
    ],
  );
  const found = (asked: string): string[] => devices.find(asked).map(({ name }) => name.slice(name.indexOf("=") + 1));
  assert.deepEqual(found("vendor1.com/device=foo"), ["foo"]);
  assert.deepEqual(found("vendor1.com/device"), ["bar"]);
  assert.deepEqual(found("vendor1.com/device=*"), ["bar", "foo"]);
  assert.deepEqual(found("class1"), ["bar", "foo"]);
  for (const asked of ["", "=", "*", "/", "vendor1.com", "vendor1.com/", "vendor1.com/device=baz", "__proto__"])
    assert.deepEqual(found(asked), [], asked);
});

test("edits of a file are made once, before those of its devices; a device that is not there is an error", async () => {
  await using directory = await temporaryDirectory();
  writeFileSync(join(directory.path, "one.yaml"), VENDOR1);
  const devices = await Devices.load({ directories: [directory.path] });
  const asked = (name: string, optional = false): { name: string; optional: boolean } => ({ name, optional });
  const all = devices.edits([asked("vendor1.com/device=foo"), asked("none", true), asked("class1")]);
  assert.deepEqual(all.env, ["ALL=1", "FOO=injected", "BAR=injected"]);
  assert.throws(
    () => devices.edits([asked("none")]),
    (error) => isVarveError(error, "not-found"),
  );
});

test("a later directory replaces devices; two files of one directory lose those that both have", async () => {
  await using directory = await temporaryDirectory();
  const [low, high] = ["low", "high"].map((name) => join(directory.path, name)) as [string, string];
  for (const path of [low, high]) mkdirSync(path);
  writeFileSync(join(low, "a.json"), single("v.com/c", "x", "low"));
  writeFileSync(join(high, "a.json"), single("v.com/c", "x", "high"));
  writeFileSync(join(low, "b.json"), single("v.com/c", "y", "1"));
  writeFileSync(join(low, "c.json"), single("v.com/c", "y", "2"));
  const devices = await Devices.load({ directories: [low, high] });
  assert.deepEqual(devices.edits([{ name: "v.com/c=x", optional: false }]).env, ["V=high"]);
  assert.deepEqual(devices.find("v.com/c=y"), []);
  assert.match(devices.problems.join(), /device v\.com\/c=y is in .*b\.json and in .*c\.json/);
});

test("files that cannot be used are problems, and hide no others", async () => {
  await using directory = await temporaryDirectory();
  writeFileSync(join(directory.path, "a.json"), "{");
  writeFileSync(join(directory.path, "b.yaml"), "a: b: c");
  symlinkSync("/dev/zero", join(directory.path, "endless.json"));
  symlinkSync("gone", join(directory.path, "gone.json"));
  writeFileSync(join(directory.path, "good.json"), single("v.com/c", "x", "1"));
  const devices = await Devices.load({ directories: [directory.path, join(directory.path, "good.json")] });
  assert.deepEqual(
    devices.list().map(({ name }) => name),
    ["v.com/c=x"],
  );
  assert.equal(devices.problems.length, 3, devices.problems.join("\n"));
  assert.deepEqual((await Devices.load({ directories: [directory.path], disabled: true })).list(), []);
});
