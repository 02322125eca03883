import assert from "node:assert/strict";
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../io/index.ts";
import { FilterCache } from "./filter-cache.ts";
import { defaultSeccomp } from "./seccomp.ts";
import type { Runtime } from "../types.ts";

const CRUN: Runtime = { name: "crun", path: "/usr/bin/crun", version: "1.8.1" };
const PROFILE = defaultSeccomp({ capabilities: new Set(["CAP_CHOWN"]) });
const OTHER = defaultSeccomp({ capabilities: new Set(["CAP_SYS_ADMIN"]) });
const RETURN = Buffer.from("0600000000000000", "hex");
const FILTER = Buffer.concat([Buffer.from("2000000004000000", "hex"), RETURN]);

async function compile(cache: FilterCache, directory: string, filter: Buffer): Promise<void> {
  const source = join(directory, "seccomp.bpf");
  const compilation = cache.compilation(PROFILE, source, join(directory, "link"));
  const stop = new AbortController();
  const watched = compilation?.watch(stop.signal);
  writeFileSync(source, filter);
  await watched;
  rmSync(source);
  await compilation?.finish();
}

test("filters are cached by profile and runtime, for all processes", async () => {
  await using directory = await temporaryDirectory();
  const cache = new FilterCache(directory.path, CRUN);
  assert.equal(cache.get(PROFILE), undefined);
  await compile(cache, directory.path, FILTER);
  assert.equal(cache.get(PROFILE), FILTER.toString("base64"));
  assert.equal(new FilterCache(directory.path, CRUN).get(PROFILE), FILTER.toString("base64"));
  assert.equal(cache.get(OTHER), undefined);
  assert.equal(new FilterCache(directory.path, { ...CRUN, version: "1.9" }).get(PROFILE), undefined);
  const kept = readdirSync(directory.path).find((name) => name.startsWith("seccomp-")) ?? "";
  assert.equal(statSync(join(directory.path, kept)).mode & 0o777, 0o600);
});

test("an incomplete filter is neither stored nor used", async () => {
  for (const filter of [Buffer.alloc(0), FILTER.subarray(0, 8), FILTER.subarray(0, 13), Buffer.alloc(8 * 5000)]) {
    await using directory = await temporaryDirectory();
    const cache = new FilterCache(directory.path, CRUN);
    await compile(cache, directory.path, filter);
    assert.equal(cache.get(PROFILE), undefined);
    assert.equal(readdirSync(directory.path).filter((name) => name.startsWith("seccomp-")).length, 0);
  }
});

test("runc gets no filter", async () => {
  await using directory = await temporaryDirectory();
  const cache = new FilterCache(directory.path, { ...CRUN, name: "runc" });
  assert.equal(cache.compilation(PROFILE, "/nowhere", "/nowhere"), undefined);
  assert.equal(cache.get(PROFILE), undefined);
});
