import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildFixture, buildFixture, tracedOutcomes } from "../../../testing/builds.ts";
import { type FaultProxy, startFaultProxy } from "../../../testing/fault-proxy.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { fillRootfs } from "../../../testing/rootfs.ts";
import { buildsUnavailable } from "../../../testing/varve.ts";
import { type Descriptor, type Digest, digestHex, digestOf } from "../../core/index.ts";
import { decodeNotes, encodeNotes } from "../../remotecache/document/notes.ts";
import { importIntoStore } from "../../caches/import.ts";
import type { BuildOptions, CacheSpec } from "../options/options.ts";
import { type Store, openStore } from "../store/store.ts";

const HIT = "hit: hit (traced): 1 file changed since, none that the step reads";
const NOTES = "application/vnd.varve.cache.notes.v1";

suite("traced runs in exported caches", { skip: buildsUnavailable() ?? registryMissing() ?? false }, () => {
  const stack = new AsyncDisposableStack();
  let fixture: BuildFixture;
  let registry: RegistryServer;
  let proxy: FaultProxy;

  before(async () => {
    fixture = stack.use(await buildFixture());
    registry = stack.use(await startRegistry());
    proxy = stack.use(await startFaultProxy({ upstream: registry.host }));
    const base = await fixture.files("base", { Dockerfile: "FROM scratch\nCOPY root /\n" });
    mkdirSync(join(base, "root"));
    fillRootfs(join(base, "root"));
    const outputs = [{ type: "image", attrs: { name: `${proxy.host}/base:1`, push: "true" } }] as const;
    await fixture.build(base, { outputs });
  });
  after(async () => await stack.disposeAsync());

  /** Writes a project whose steps no other test has run. */
  async function project(name: string, more = ""): Promise<string> {
    const dockerfile = `FROM ${proxy.host}/base:1
ENV PROJECT=${name}
WORKDIR /app
COPY . .
RUN cat package > installed; rm docs/old
RUN cat src/main installed > built
${more}
`;
    return await fixture.files(name, {
      Dockerfile: dockerfile,
      ".dockerignore": "Dockerfile\n.dockerignore\n",
      package: "package\n",
      "src/main": "main\n",
      "docs/old": "old\n",
      README: "read me\n",
    });
  }

  const remote = (name: string): CacheSpec => ({
    type: "registry",
    attrs: { ref: `${proxy.host}/${name}:cache`, mode: "max" },
  });

  /** A machine, with a root of its own. */
  async function machine(name: string): Promise<Store & AsyncDisposable> {
    const root = join(fixture.folder, `root of ${name}`);
    return await openStore({ root });
  }

  /** Builds, and returns what is said of each RUN step, in the order of the Dockerfile: its status, and what tracing says. */
  async function told(store: Store, directory: string, options: Partial<BuildOptions> = {}): Promise<string[]> {
    const result = await fixture.build(directory, {
      traced: "contents",
      outputs: [{ type: "cacheonly" }],
      ...options,
      store,
    });
    return tracedOutcomes(result);
  }

  test("a machine with an empty root gets hits by a cache, and fetches none of their layers", async () => {
    const directory = await project("travel");
    const cache = remote("travel");
    {
      await using first = await machine("first");
      const outputs = [{ type: "image", attrs: { name: `${proxy.host}/travel:1`, push: "true" } }] as const;
      assert.deepEqual(await told(first, directory, { cacheTo: [cache], outputs }), ["run", "run"]);
    }
    const layers = await layersOf("travel:1");
    assert.equal(layers.length, 5);

    await using second = await machine("second");
    writeFileSync(join(directory, "README"), "two\n");
    const from = proxy.requests.length;
    assert.deepEqual(await told(second, directory, { cacheFrom: [cache] }), [HIT, HIT]);
    // The new files are written on top of the layers below. No others are needed.
    assert.deepEqual(fetched(layers, from), layers.slice(0, 2));

    writeFileSync(join(directory, "README"), "three\n");
    assert.deepEqual(await told(second, directory), [HIT, HIT], "without the cache");
    const dest = join(fixture.folder, "dest");
    assert.deepEqual(await told(second, directory, { outputs: [{ type: "local", dest }] }), ["hit", "hit"]);
    const read = (path: string): string => readFileSync(join(dest, "app", path), "utf8");
    assert.deepEqual(["README", "installed", "built"].map(read), ["three\n", "package\n", "main\npackage\n"]);
    assert.deepEqual(readdirSync(join(dest, "app/docs")), []);
    assert.deepEqual(fetched(layers, from), [...layers.slice(0, 2), ...layers.slice(3)]);
  });

  test("what a machine has from a cache travels on with its own", async () => {
    const directory = await project("on");
    {
      await using first = await machine("on 1");
      assert.deepEqual(await told(first, directory, { cacheTo: [remote("on")] }), ["run", "run"]);
    }
    {
      await using second = await machine("on 2");
      writeFileSync(join(directory, "README"), "two\n");
      const options = { cacheFrom: [remote("on")], cacheTo: [remote("further")] };
      assert.deepEqual(await told(second, directory, options), [HIT, HIT]);
    }
    await using third = await machine("on 3");
    writeFileSync(join(directory, "src/main"), "changed\n");
    const why = "run: traced: /app/src/main changed, which the step reads";
    assert.deepEqual(await told(third, directory, { cacheFrom: [remote("further")] }), [HIT, why]);
    await using fourth = await machine("on 4");
    await importIntoStore(fourth, remote("further"));
    assert.deepEqual(await told(fourth, directory), [HIT, why]);
  });

  test("verify compares with what another machine has made, and then does not trust it", async () => {
    const directory = await project("verify", "RUN stat -c %s README > size");
    {
      await using first = await machine("verify 1");
      assert.deepEqual(await told(first, directory, { cacheTo: [remote("verify")] }), ["run", "run", "run"]);
    }
    await using second = await machine("verify 2");
    const options = { cacheFrom: [remote("verify")], traced: "verify" } as const;
    writeFileSync(join(directory, "README"), "a longer text\n");
    const verified = "run: verified (traced): the earlier result has the same files";
    const wrong = "run: The step is not traced any more: a run that read the same files made others: /app/size";
    assert.deepEqual(await told(second, directory, options), [verified, verified, wrong]);
    writeFileSync(join(directory, "README"), "short\n");
    assert.deepEqual((await told(second, directory, { ...options, traced: "contents" }))[2], "run");
  });

  test("what is wrong in a cache is no hit, and no error", async () => {
    const directory = await project("hostile");
    const path = join(fixture.folder, "hostile cache");
    const cache = { type: "local", attrs: { dest: path, src: path, mode: "max" } };
    {
      await using first = await machine("hostile 1");
      assert.deepEqual(await told(first, directory, { cacheTo: [cache] }), ["run", "run"]);
    }
    writeFileSync(join(directory, "README"), "two\n");
    const changeNotes = notesIn(path);
    const text = (head: Uint8Array | undefined, from: RegExp, to: string): Uint8Array =>
      Buffer.from(
        Buffer.from(head ?? [])
          .toString()
          .replaceAll(from, to),
      );
    const nothing = Buffer.alloc(0);
    const changes: Readonly<Record<string, (trace: readonly Uint8Array[]) => readonly Uint8Array[]>> = {
      "no parts": () => [],
      "one part": (parts) => parts.slice(0, 1),
      "no head": ([, ...rest]) => [nothing, ...rest],
      "no such list": ([head, ...rest]) => [text(head, /"list":\d+/g, '"list":99'), ...rest],
      "another op": ([head, ...rest]) => [text(head, /"op":"sha256:./g, '"op":"sha256:0'), ...rest],
      "other layers": ([head, ...rest]) => [text(head, /"diffId":"sha256:./g, '"diffId":"sha256:0'), ...rest],
      "other mounts": ([head, ...rest]) => [text(head, /"others":"sha256:./g, '"others":"'), ...rest],
      "no accesses": ([head = nothing, , ...rest]) => [head, Buffer.from("accesses"), ...rest],
      "no entries": ([head = nothing, accesses = nothing, ...rest]) => [head, accesses, ...rest.map(() => nothing)],
    };
    for (const [name, change] of Object.entries({ nothing: (parts: readonly Uint8Array[]) => parts, ...changes })) {
      changeNotes(change);
      await using other = await machine(`hostile: ${name}`);
      const lines = await told(other, directory, { cacheFrom: [cache] });
      assert.deepEqual(lines, name === "nothing" ? [HIT, HIT] : ["run", "run"], name);
    }
  });

  /** Returns the digests of an image's layers, lowest first. */
  async function layersOf(name: string): Promise<readonly string[]> {
    const [repository = "", tag = ""] = name.split(":");
    const accept = "application/vnd.oci.image.manifest.v1+json";
    const answer = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, { headers: { accept } });
    const { layers = [] } = (await answer.json()) as Manifest;
    return layers.map(({ digest }) => digest);
  }

  /** Returns those layers that were fetched since a request. */
  function fetched(layers: readonly string[], from: number): readonly string[] {
    const urls = proxy.requests.slice(from).flatMap(({ method, url }) => (method === "GET" ? url : []));
    return layers.filter((digest) => urls.some((url) => url.endsWith(digest)));
  }
});

interface Manifest {
  readonly layers?: readonly Descriptor[];
}

/** Returns a function that changes the traces in the notes of a cache in a directory. */
function notesIn(directory: string): (change: (trace: readonly Uint8Array[]) => readonly Uint8Array[]) => void {
  const blob = (digest: Digest): string => join(directory, "blobs/sha256", digestHex(digest));
  const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as { manifests: [Descriptor] };
  const [top] = index.manifests;
  const manifest = JSON.parse(readFileSync(blob(top.digest), "utf8")) as Manifest;
  const old = manifest.layers?.find(({ mediaType }) => mediaType === NOTES);
  assert.ok(old !== undefined);
  const notes = decodeNotes(readFileSync(blob(old.digest)), Number.MAX_SAFE_INTEGER);
  const write = (bytes: Uint8Array): Pick<Descriptor, "digest" | "size"> => {
    const digest = digestOf(bytes);
    writeFileSync(blob(digest), bytes);
    return { digest, size: bytes.byteLength };
  };
  return (change) => {
    const changed = notes.map(({ record, note }) => ({
      record,
      note: { ...note, trace: note.trace && change(note.trace) },
    }));
    const written = write(encodeNotes(changed) ?? new Uint8Array());
    const layers = manifest.layers?.map((layer) => (layer === old ? { ...layer, ...written } : layer));
    const document = write(Buffer.from(JSON.stringify({ ...manifest, layers })));
    writeFileSync(join(directory, "index.json"), JSON.stringify({ ...index, manifests: [{ ...top, ...document }] }));
  };
}
