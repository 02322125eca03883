import { importCache, listCache, listRemoteCache } from "./operations.ts";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { writeDocuments } from "../../testing/cache-documents.ts";
import { SqliteKeyStore } from "../cache/index.ts";
import { type Descriptor, MediaType, digestHex, digestOf } from "../core/index.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../io/index.ts";
import { encodeCacheConfig, parseCacheConfig } from "../remotecache/index.ts";
import { type Store, openStore } from "../engine/store/store.ts";

const read = (name: string): Promise<Buffer> => readFile(`testing/fixtures/${name}`);

/** What BuildKit wrote: without the layers' blobs. */
async function writeLayout(directory: string, manifest: string, config: string): Promise<void> {
  const [top, below] = [await read(manifest), Buffer.from(encodeCacheConfig(parseCacheConfig(await read(config))))];
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const mediaType = MediaType.ociManifest;
  const entry: Descriptor = { mediaType, digest: digestOf(top), size: top.byteLength, annotations };
  await writeDocuments(
    directory,
    new Map([
      [entry.digest, top],
      [digestOf(below), below],
    ]),
    [entry],
  );
}

suite("a cache that BuildKit wrote", () => {
  let folder: TemporaryDirectory;
  let store: Store;
  let cache: string;
  const spec = (directory: string) => ({ type: "local", attrs: { src: directory } });

  before(async () => {
    folder = await temporaryDirectory();
    cache = join(folder.path, "cache");
    await writeLayout(cache, "remotecache/manifests/a-max-imagemanifest.json", "keys/cacheconfig/a-max.json");
    store = await openStore({ root: join(folder.path, "root"), snapshotter: "copy" });
  });
  after(async () => {
    await store?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test("is listed: every record with a result, unnamed, none of it here", async () => {
    const { records, layers } = JSON.parse((await read("keys/cacheconfig/a-max.json")).toString()) as {
      records: { layers?: object[]; digest: string }[];
      layers: { blob: string }[];
    };
    const listing = await listRemoteCache(store, spec(cache));
    const held = records.filter(({ layers: results }) => results !== undefined);
    assert.deepEqual(listing.entries.map(({ record }) => record).sort(), held.map(({ digest }) => digest).sort());
    assert.ok(
      listing.entries.every(({ here, step, layers: count }) => here === "no" && step === undefined && count > 0),
    );
    const manifest = JSON.parse((await read("remotecache/manifests/a-max-imagemanifest.json")).toString()) as {
      layers: Descriptor[];
    };
    const sizes = new Map(manifest.layers.map(({ digest, size }) => [digest as string, size]));
    assert.equal(
      listing.size,
      [...new Set(layers.map(({ blob }) => blob))].reduce((sum, blob) => sum + (sizes.get(blob) ?? NaN), 0),
    );
    assert.deepEqual(
      listing.scopes.map(({ scope }) => scope),
      [""],
    );
  });

  test("is imported once, whoever else does so at the same time; its layers stay where they are", async () => {
    const [one, other] = await Promise.all([importCache(store, spec(cache)), importCache(store, spec(cache))]);
    const { entries } = await listRemoteCache(store, spec(cache));
    assert.equal(one.added + one.known, entries.length);
    assert.equal(other.added + other.known, entries.length);
    assert.ok(entries.every(({ here }) => here === "lazy"));
    const keys = new SqliteKeyStore(store.state).walk().sort();
    assert.deepEqual(await importCache(store, spec(cache)), { ...one, added: 0, known: entries.length });
    assert.deepEqual(new SqliteKeyStore(store.state).walk().sort(), keys);
    const local = await listCache(store);
    assert.deepEqual(local.entries.map(({ record }) => record).sort(), entries.map(({ record }) => record).sort());
  });

  test("layers that cannot be had are told of, and the records stay", async () => {
    const warnings: string[] = [];
    const report = await importCache(store, spec(cache), { fetch: true, onWarning: (text) => warnings.push(text) });
    assert.ok(report.lost > 0 && report.fetched === 0);
    assert.equal(warnings.length, report.lost);
    assert.equal((await listCache(store)).entries.length, report.known);
  });

  test("an import that is interrupted has taken whole records, and the next one goes on", async () => {
    const root = join(folder.path, "killed");
    const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      import { importCache } from ${module("../caches/index.ts")};
      import { openStore } from ${module("../engine/index.ts")};
      import { Records } from ${module("../record/index.ts")};
      const { addChain } = Records.prototype;
      let calls = 0;
      Records.prototype.addChain = function (...args) {
        if ((calls += 1) === 4) process.kill(process.pid, "SIGKILL");
        return addChain.apply(this, args);
      };
      const store = await openStore({ root: process.argv[1], snapshotter: "copy" });
      await importCache(store, { type: "local", attrs: { src: process.argv[2] } });`;
    const args = ["--input-type=module-typescript", "-e", script, root, cache];
    const child = spawn(process.execPath, args, { stdio: "inherit" });
    assert.deepEqual(await once(child, "close"), [null, "SIGKILL"]);
    await using own = await openStore({ root, snapshotter: "copy" });
    const { entries } = await listRemoteCache(own, spec(cache));
    const report = await importCache(own, spec(cache));
    assert.equal(report.known, 3);
    assert.equal(entries.filter(({ here }) => here !== "no").length, 3);
    assert.equal(report.added + report.known, entries.length);
  });

  test("a cache that is not there, or broken, is the cache's fault", async () => {
    await assert.rejects(listRemoteCache(store, spec(join(folder.path, "none"))), { code: "remote" });
    const broken = join(folder.path, "broken");
    await cp(cache, broken, { recursive: true });
    const { config } = JSON.parse((await read("remotecache/manifests/a-max-imagemanifest.json")).toString()) as {
      config: Descriptor;
    };
    await rm(join(broken, "blobs/sha256", digestHex(config.digest)));
    await assert.rejects(importCache(store, spec(broken)), { code: "remote" });
    await assert.rejects(listRemoteCache(store, { type: "local", attrs: {} }), { code: "invalid-argument" });
  });
});
