import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { type Settings, loadSettings } from "./settings.ts";

async function settingsOf(text: string | undefined): Promise<Settings> {
  await using directory = await temporaryDirectory();
  const configPath = join(directory.path, "varve.json");
  if (text !== undefined) await writeFile(configPath, text);
  const store = { root: directory.path };
  return await loadSettings({ store, configPath: text === undefined ? undefined : configPath } as Parameters<
    typeof loadSettings
  >[0]);
}

test("the configuration file has registries and collection, or one of them, or nothing", async () => {
  const whole = await settingsOf('{"registries":{"r.test":{"http":true}},"collection":{"maxUsedSpace":"1GB"}}');
  assert.deepEqual(whole.store.registry?.config?.registries["r.test"], { http: true });
  assert.deepEqual(whole.collection, { maxUsedSpace: 2 ** 30 });
  const half = await settingsOf('{"collection":{"enabled":false}}');
  assert.deepEqual(half.store.registry?.config?.registries, {});
  assert.deepEqual(half.collection, { enabled: false });
  assert.deepEqual((await settingsOf("{}")).collection, {});
  assert.equal((await settingsOf('{"maxParallelism":3}')).store.maxParallelism, 3);
  assert.equal((await settingsOf('{"maxParallelism":0}')).store.maxParallelism, undefined, "as BuildKit: no limit");
  assert.deepEqual((await settingsOf(undefined)).collection, {});
  assert.equal((await settingsOf('{"frontendImages":"never"}')).frontendImages, "never");
  for (const text of [undefined, "{}"]) assert.equal((await settingsOf(text)).explains, true);
  assert.equal((await settingsOf('{"explain":false}')).explains, false);
  assert.equal((await settingsOf('{"explain":"everywhere"}')).explains, "everywhere");
});

test("what the configuration file does not know is refused", async () => {
  for (const [text, field] of [
    ['{"registry":{}}', "registry"],
    ['{"collection":{"keep":1}}', "keep"],
    ['{"registries":[]}', "registries"],
    ['{"maxParallelism":-1}', "maxParallelism"],
    ['{"frontendImages":"sometimes"}', "frontendImages"],
    ['{"maxParallelism":"many"}', "maxParallelism"],
    ['{"explain":"nowhere"}', "explain"],
    ['{"collection":', "JSON"],
  ] as const)
    await assert.rejects(settingsOf(text), { code: "invalid-argument", message: new RegExp(field) }, text);
});
