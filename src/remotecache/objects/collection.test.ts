import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { OBJECT_BACK_ENDS, type ObjectServer } from "../../../testing/object-caches.ts";
import { chainExport, toyHold, toySource } from "../../../testing/toy-exports.ts";
import { collect } from "../../io/index.ts";
import type { Digest } from "../../core/index.ts";
import { type CloudTargetOptions, type OpenCloudCache, parseCloudCache, readCache } from "../index.ts";
import { layersOfGraph } from "../export/scopes.ts";

const HOUR = 3_600_000;
const EXPORTS = 100;
/** So many exports are made in an hour. */
const RATE = 6;
const LAYER = 1000;

for (const backEnd of OBJECT_BACK_ENDS)
  suite(`blobs that nothing needs any more, in ${backEnd.type}`, { skip: backEnd.missing() ?? false }, () => {
    let server: ObjectServer;
    before(async () => {
      server = await backEnd.start();
    });
    after(() => server[Symbol.asyncDispose]());

    const open = async (prefix: string, more: Readonly<Record<string, string>> = {}): Promise<OpenCloudCache> => {
      const attrs = { ...backEnd.attributes(server.host, prefix), upload_parallelism: "8", ...more };
      const cache = await parseCloudCache(backEnd.type, attrs).open();
      await cache.prepare({});
      return cache;
    };
    const optionsOf = (more: Partial<CloudTargetOptions>): CloudTargetOptions => {
      return { source: toySource().source, reset: false, warn: assert.fail, ...more };
    };
    /** An export of one step that changes, and of one that does not. */
    const changing = (at: number) => chainExport("base", ["same", `${at}`], LAYER);
    const layersOf = async (cache: OpenCloudCache): Promise<Digest[]> => {
      const graphs = await Promise.all(cache.origins().map((origin) => readCache(origin)));
      return graphs.flat().flatMap((graph) => [...layersOfGraph(graph).keys()]);
    };
    const isThere = async (cache: OpenCloudCache, digest: Digest): Promise<boolean> => {
      const opened = await cache.blob(digest, {});
      if (opened === undefined) return false;
      await collect(opened.bytes, 1_048_576, { what: digest });
      return true;
    };

    test("a hundred exports keep two generations, and what a reader may still need", async () => {
      using cache = await open("hundred");
      // Ahead of the time of the server, so that blobs look old.
      let now = Date.now() + 24 * HOUR;
      const target = cache.target(optionsOf({ grace: HOUR, now: () => now }));
      const documents: Digest[][] = [];
      for (let at = 0; at < EXPORTS; at += 1) {
        now += HOUR / RATE;
        await target.write(changing(at), "a", toyHold);
        documents.push(await layersOf(cache));
        // A reader that has read the document of almost an hour ago.
        const read = documents.at(-RATE) ?? [];
        for (const digest of new Set([...read, ...(documents.at(-1) ?? [])])) assert.ok(await isThere(cache, digest));
      }
      const all = [...new Set(documents.flat())];
      assert.equal(all.length, EXPORTS + 1);
      const left: boolean[] = [];
      for (const digest of all) left.push(await isThere(cache, digest));
      const kept = left.filter((one) => one).length;
      // One layer that stays, two of the generations, and those that were released in the last hour.
      assert.ok(kept >= 3 && kept <= 3 + RATE + 1, `${kept} layers`);
      assert.deepEqual(await layersOf(cache), documents.at(-1));
    });

    test("what another document needs, what was written lately, and all with gc=off stays", async () => {
      using cache = await open("shared");
      using other = await open("shared", { name: "other" });
      let now = Date.now() + 24 * HOUR;
      const options = { grace: HOUR, now: () => now };
      await other.target(optionsOf(options)).write(changing(0), "a", toyHold);
      const shared = await layersOf(other);
      for (const at of [0, 1, 2, 3, 4]) {
        now += 2 * HOUR;
        await cache.target(optionsOf(options)).write(changing(at), "a", toyHold);
      }
      for (const digest of shared) assert.ok(await isThere(other, digest), "another document needs it");

      for (const [prefix, how] of [
        ["off", { now: () => now }],
        ["young", { grace: HOUR }],
      ] as const) {
        using kept = await open(prefix);
        const seen = new Set<Digest>();
        for (const at of [0, 1, 2, 3, 4]) {
          now += 2 * HOUR;
          await kept.target(optionsOf(how)).write(changing(at), "a", toyHold);
          for (const digest of await layersOf(kept)) seen.add(digest);
        }
        for (const digest of seen) assert.ok(await isThere(kept, digest));
      }
    });

    test("pruning deletes all that is left", async () => {
      using cache = await open("pruned");
      for (const at of [0, 1, 2, 3]) await cache.target(optionsOf({})).write(changing(at), "a", toyHold);
      const pruned = await cache.prune({ generations: 1, grace: -HOUR });
      assert.equal(pruned.generations, 1);
      // Those of three exports, each a layer, and the notes of none.
      assert.equal(pruned.blobs, 3);
      for (const digest of await layersOf(cache)) assert.ok(await isThere(cache, digest));
    });
  });
