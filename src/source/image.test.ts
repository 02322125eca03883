import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { formatReference, hostPlatform, isVarveError, parseReference } from "../core/index.ts";
import { type ImageStore } from "../image/index.ts";
import type { Records } from "../record/index.ts";
import { ANONYMOUS, Registry, push } from "../registry/index.ts";
import { noise, putImage, temporaryStore } from "../../testing/images.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { ImageSource } from "./index.ts";

const NO_IMAGES = { get: () => undefined } as unknown as ImageStore;
const NO_RECORDS = {} as Records;

suite("images of a real registry", { skip: registryMissing() ?? false }, () => {
  let server: RegistryServer;
  let registry: Registry;
  const options = { platform: hostPlatform(), policy: "missing" } as const;

  before(async () => {
    server = await startRegistry();
    registry = new Registry({ credentials: () => Promise.resolve(ANONYMOUS), env: {} });
  });
  after(async () => {
    registry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  test("an image found by name is found again by its digest, with its layers' repository, in later builds too", async () => {
    const name = `${server.host}/team/base:1`;
    const reference = parseReference(name);
    {
      await using made = await temporaryStore();
      const target = await putImage(made, { layers: [noise(1000, 1), noise(1000, 2)] });
      await push(registry, [reference], { store: made.store, target });
    }
    await using here = await temporaryStore();
    const deps = {
      content: here.store,
      images: NO_IMAGES,
      records: NO_RECORDS,
      registry: () => Promise.resolve(registry),
    };
    const source = new ImageSource(deps);
    const expected = [[`${server.host}/team/base`], [`${server.host}/team/base`]];
    const found = await source.resolve(name, options, here);
    assert.deepEqual(
      found.layers.map(({ sources }) => sources),
      expected,
    );
    const again = await source.resolve(`${name}@${found.digest}`, options, here);
    assert.deepEqual(
      again.layers.map(({ sources }) => sources),
      expected,
    );
    const later = new ImageSource(deps);
    later.provide(found.manifest);
    const pinned = formatReference({ ...reference, digest: found.digest });
    const last = await later.resolve(pinned, { ...options, policy: "never" }, here);
    assert.deepEqual(
      last.layers.map(({ sources }) => sources),
      expected,
    );
  });

  test("a lookup that was cancelled is made again for the next caller, and one that others wait for goes on", async () => {
    const name = `${server.host}/team/cancelled:1`;
    await using here = await temporaryStore();
    const target = await putImage(here, { layers: [noise(1000, 4)] });
    await push(registry, [parseReference(name)], { store: here.store, target });
    const source = new ImageSource({
      content: here.store,
      images: NO_IMAGES,
      records: NO_RECORDS,
      registry: () => Promise.resolve(registry),
    });
    for (const others of [0, 1]) {
      const stop = new AbortController();
      const cancelled = source.resolve(name, options, { ...here, signal: stop.signal });
      const waiting = Array.from({ length: others }, () => source.resolve(name, options, here));
      stop.abort();
      await assert.rejects(cancelled, (error) => isVarveError(error, "cancelled"));
      for (const each of waiting) assert.equal((await each).digest, target.digest);
    }
    assert.equal((await source.resolve(name, options, here)).digest, target.digest);
  });

  test("an image's layers keep where they are published", async () => {
    await using here = await temporaryStore();
    const urls = ["https://example.org/layer"];
    const layerType = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    const target = await putImage(here, { layers: [noise(1000, 3)], layerType, urls });
    const registryUnused = (): Promise<Registry> => Promise.reject(new Error("asked a registry"));
    const source = new ImageSource({
      content: here.store,
      images: NO_IMAGES,
      records: NO_RECORDS,
      registry: registryUnused,
    });
    source.provide(target);
    const found = await source.resolve(`h.example/a@${target.digest}`, { ...options, policy: "never" }, here);
    assert.deepEqual(
      found.layers.map((layer) => layer.urls),
      [urls],
    );
  });
});
