import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentStoreContract } from "../../testing/contracts/content-store.ts";
import { digestHex, digestOf, isVarveError } from "../core/index.ts";
import { bytesOf, temporaryDirectory } from "../io/index.ts";
import { type Database, openState } from "../state/index.ts";
import { type ContentStore, addEdge, openContentStore, removeEdgesFrom } from "./index.ts";

interface Fixture extends AsyncDisposable {
  readonly root: string;
  readonly state: Database;
  readonly store: ContentStore;
  file(text: string): string;
}

async function setUp(): Promise<Fixture> {
  const directory = await temporaryDirectory();
  const root = directory.path;
  const state = openState(join(root, "state.db"));
  return {
    root,
    state,
    store: openContentStore(root, state),
    file: (text) => join(root, "content/blobs/sha256", digestHex(digestOf(text))),
    [Symbol.asyncDispose]: async () => {
      state.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

contentStoreContract("local store", setUp);

const ingests = (root: string): string[] => readdirSync(join(root, "content/ingest"));

test("a blob is a read-only file under its digest, and its ingest leaves no other file", async () => {
  await using fx = await setUp();
  const { digest } = await fx.store.put(bytesOf("text"), { ref: "some/ref" });
  await fx.store.put(bytesOf("other"));
  assert.equal(fx.store.path(digest), fx.file("text"));
  assert.equal(statSync(fx.file("text")).mode & 0o7777, 0o444);
  assert.deepEqual(ingests(fx.root), []);
  await fx.store.delete(digest);
  assert.equal(existsSync(fx.file("text")), false);
  assert.deepEqual(readdirSync(join(fx.root, "content/trash")), []);
});

test("a row without its file, or with a file of another size, is no blob, and writing the blob again repairs it", async () => {
  await using fx = await setUp();
  const { digest } = await fx.store.put(bytesOf("text"));
  rmSync(fx.file("text"));
  assert.equal(fx.store.info(digest), undefined);
  assert.deepEqual([...fx.store.walk()], []);
  await fx.store.put(bytesOf("text"), { expected: { digest } });
  chmodSync(fx.file("text"), 0o644);
  writeFileSync(fx.file("text"), "tex");
  assert.throws(() => fx.store.path(digest), /not in the content store/);
  await fx.store.put(bytesOf("text"), { expected: { digest } });
  assert.deepEqual(await fx.store.verify(), { blobs: 1, bytes: 4, damaged: [] });
});

test("collecting removes files without rows, old ingests and trash, and keeps young ingests", async () => {
  await using fx = await setUp();
  writeFileSync(fx.file("orphan"), "orphan");
  writeFileSync(join(fx.root, "content/trash/left"), "");
  for (const ref of ["old", "young", "held"]) {
    await using ingest = await fx.store.ingest(ref);
    await ingest.write(Buffer.from(ref));
  }
  const directory = (ref: string): string => join(fx.root, "content/ingest", digestHex(digestOf(ref)));
  await using _held = await fx.store.ingest("held");
  for (const ref of ["old", "held"]) utimesSync(join(directory(ref), "data"), 1, 1);
  const freed = "orphan".length + "old".length;
  assert.deepEqual(await fx.store.collect(), { blobs: 0, bytes: 0, snapshots: 0, freed });
  assert.equal(existsSync(fx.file("orphan")), false);
  assert.deepEqual(readdirSync(join(fx.root, "content/trash")), []);
  assert.deepEqual(ingests(fx.root).sort(), ["young", "held"].map((ref) => digestHex(digestOf(ref))).sort());
  assert.equal((await fx.store.collect({ resumable: "none" })).freed, "young".length);
  assert.deepEqual(ingests(fx.root), [digestHex(digestOf("held"))]);
});

test("verifying names what is missing, cut or changed", async () => {
  await using fx = await setUp();
  for (const text of ["fine", "gone", "long", "flip"]) await fx.store.put(bytesOf(text));
  rmSync(fx.file("gone"));
  chmodSync(fx.file("long"), 0o644);
  writeFileSync(fx.file("long"), "longer");
  chmodSync(fx.file("flip"), 0o644);
  writeFileSync(fx.file("flip"), "flop");
  const { blobs, damaged } = await fx.store.verify();
  assert.equal(blobs, 4);
  assert.deepEqual(
    new Map(damaged.map(({ digest, state }) => [digest, state])),
    new Map([
      ...["gone"].map((text) => [digestOf(text), "missing"] as const),
      ...["long"].map((text) => [digestOf(text), "wrong-size"] as const),
      ...["flip"].map((text) => [digestOf(text), "wrong-digest"] as const),
    ]),
  );
});

test("images and records are roots while they have edges; unreachable snapshots are removed", async () => {
  await using fx = await setUp();
  const { state, store } = fx;
  const [manifest, layer] = await Promise.all([store.put(bytesOf("manifest")), store.put(bytesOf("layer"))]);
  store.link(manifest.digest, [layer.digest]);
  addEdge(state, { kind: "image", id: "docker.io/library/a:latest" }, { kind: "blob", id: manifest.digest });
  const rows = new Set(["base", "top", "loose", "under loose"]);
  addEdge(state, { kind: "record", id: "r" }, { kind: "snapshot", id: "top" });
  addEdge(state, { kind: "snapshot", id: "top" }, { kind: "snapshot", id: "base" });
  addEdge(state, { kind: "snapshot", id: "loose" }, { kind: "snapshot", id: "under loose" });
  assert.deepEqual(await store.collect(), { blobs: 0, bytes: 0, snapshots: 0, freed: 0 });
  const swept: string[] = [];
  const snapshots = {
    removeUnreached: (isReached: (name: string) => boolean): string[] => {
      const gone = [...rows].filter((name) => !isReached(name));
      for (const name of gone) {
        rows.delete(name);
        removeEdgesFrom(state, { kind: "snapshot", id: name });
      }
      return gone;
    },
    sweep: async (names: readonly string[] = []): Promise<number> => {
      swept.push(...(await Promise.resolve(names)));
      return names.length * 100;
    },
  };
  assert.equal((await store.collect({ snapshots })).snapshots, 2);
  removeEdgesFrom(state, { kind: "record", id: "r" });
  removeEdgesFrom(state, { kind: "image", id: "docker.io/library/a:latest" });
  assert.deepEqual(await store.collect({ snapshots }), { blobs: 2, bytes: 13, snapshots: 2, freed: 213 });
  assert.deepEqual(swept.sort(), ["base", "loose", "top", "under loose"]);
  assert.equal(state.get("SELECT 1 FROM edge"), undefined);
});

test("a lease that was not disposed of ends with its ttl", async () => {
  await using fx = await setUp();
  const lease = await fx.store.lease({ ttl: 60_000 });
  await fx.store.put(bytesOf("x"), { lease });
  fx.state.run("UPDATE lease SET expires_at = 1");
  assert.equal((await fx.store.collect()).blobs, 1);
  assert.equal(fx.state.get("SELECT 1 FROM edge"), undefined);
  assert.throws(() => lease.add("blob", digestOf("x")), /the lease has ended/);
  await lease[Symbol.asyncDispose]();
});

test("an ingest without space for its lock file throws storage, not busy", async () => {
  await using fx = await setUp();
  rmSync(join(fx.root, "content/ingest"), { recursive: true });
  writeFileSync(join(fx.root, "content/ingest"), "");
  await assert.rejects(fx.store.ingest("r"), (error) => isVarveError(error, "storage"));
});
