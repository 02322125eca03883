import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type BuildFixture, buildFixture } from "../../../testing/builds.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { S3_KEYS, s3Missing, startS3 } from "../../../testing/s3-server.ts";
import { type Descriptor, type Digest, digestHex, digestOf } from "../../core/index.ts";
import { importIntoStore } from "../../caches/import.ts";
import type { BuildOptions, CacheSpec } from "../options/options.ts";
import { type Store, openStore } from "../store/store.ts";

const DOCKERFILE = `FROM scratch AS made
ARG API_TOKEN=plaintextone
COPY a /$API_TOKEN/a
COPY b /b
FROM scratch
COPY --from=made / /all
COPY c /c
`;
const NOTES = "application/vnd.varve.cache.notes.v1";

interface Manifest {
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
}

suite("caches that carry what their keys were made of", () => {
  let fixture: BuildFixture;
  let registry: RegistryServer | undefined;
  before(async () => {
    fixture = await buildFixture();
    if (registryMissing() === undefined) registry = await startRegistry();
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const project = async (files: Readonly<Record<string, string>> = {}): Promise<string> =>
    await fixture.files("project", { Dockerfile: DOCKERFILE, a: "a", b: "b", c: "c", ...files });

  /** Builds in a fresh root. Returns what is said of each step that runs. */
  async function build(
    directory: string,
    options: Partial<BuildOptions>,
    prepare?: (store: Store) => Promise<unknown>,
  ): Promise<Readonly<Record<string, string>>> {
    const root = join(fixture.folder, "fresh");
    try {
      await using store = await openStore({ root });
      await prepare?.(store);
      const { steps } = await fixture.build(directory, {
        outputs: [{ type: "tar", dest: "/dev/null" }],
        ...options,
        store,
      });
      const ran = steps.filter(({ status, name }) => status === "run" && name.includes("COPY"));
      return Object.fromEntries(ran.map(({ name, why }) => [name.replace(/^.*COPY /, ""), why?.text ?? ""]));
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }

  const local = (name: string, attrs: Readonly<Record<string, string>> = {}): CacheSpec => {
    const path = join(fixture.folder, name);
    return { type: "local", attrs: { dest: path, src: path, mode: "max", ...attrs } };
  };
  const remote = (name: string, attrs: Readonly<Record<string, string>> = {}): CacheSpec => ({
    type: "registry",
    attrs: { ref: `${registry?.host}/${name}:cache`, mode: "max", ...attrs },
  });

  const blobOf = (directory: string, digest: Digest): string =>
    join(fixture.folder, directory, "blobs/sha256", digestHex(digest));
  function documentOf(directory: string): { readonly top: Descriptor; readonly manifest: Manifest } {
    const index = JSON.parse(readFileSync(join(fixture.folder, directory, "index.json"), "utf8")) as Manifest;
    const [top] = index.manifests ?? [];
    assert.ok(top !== undefined);
    return { top, manifest: JSON.parse(readFileSync(blobOf(directory, top.digest), "utf8")) as Manifest };
  }
  const notesOf = ({ layers, manifests }: Manifest): Descriptor | undefined =>
    (layers ?? manifests)?.find(({ mediaType }) => mediaType === NOTES);

  test("the lists stay when a fresh machine that has them from the cache exports it again, in every form", async () => {
    for (const [name, attrs] of Object.entries({
      manifest: {},
      index: { "image-manifest": "false" },
      list: { "oci-mediatypes": "false" },
    })) {
      await build(await project(), { cacheTo: [local(name, attrs)] });
      const first = documentOf(name);
      assert.ok(notesOf(first.manifest), name);
      await build(await project(), {
        cacheFrom: [local(name)],
        cacheTo: [local(name, attrs), local(`${name}-2`, attrs)],
      });
      for (const written of [name, `${name}-2`])
        assert.deepEqual(notesOf(documentOf(written).manifest), notesOf(first.manifest), written);
      const changed = await project({ c: "changed" });
      const options = { cacheFrom: [local(`${name}-2`)], cacheTo: [local(name, attrs)] };
      assert.deepEqual(await build(changed, options), { "c /c": "c changed (content, 1 → 7 bytes)" });
      const again = { cacheFrom: [local(name)] };
      assert.deepEqual(await build(await project({ a: "22" }), again), {
        "a /plaintextone/a": "a changed (content, 1 → 2 bytes)",
        "b /b": "a changed (content, 1 → 2 bytes)",
        "--from=made / /all": "a changed (content, 1 → 2 bytes)",
        "c /c": "a changed (content, 1 → 2 bytes)",
      });
    }
  });

  test("the lists of a cache in S3", { skip: s3Missing() ?? false }, async () => {
    await using server = await startS3();
    const s3 = {
      type: "s3",
      attrs: {
        bucket: server.bucket,
        region: "us-east-1",
        endpoint_url: server.url,
        use_path_style: "true",
        access_key_id: S3_KEYS.id,
        secret_access_key: S3_KEYS.secret,
        mode: "max",
      },
    };
    await build(await project(), { cacheTo: [s3] });
    for (const text of ["22", "333"]) {
      const said = await build(await project({ c: text }), { cacheFrom: [s3], cacheTo: [s3] });
      assert.match(said["c /c"] ?? "", /^c changed \(content, /);
    }
  });

  test("the lists of a cache that was imported into the store", async () => {
    await build(await project(), { cacheTo: [local("whole")] });
    const said = await build(await project({ c: "changed" }), {}, (store) => importIntoStore(store, local("whole")));
    assert.deepEqual(said, { "c /c": "c changed (content, 1 → 7 bytes)" });
  });

  test("explain=false leaves them out", async () => {
    await build(await project(), { cacheTo: [local("silent", { explain: "false" })] });
    assert.equal(notesOf(documentOf("silent").manifest), undefined);
    const said = await build(await project({ c: "changed" }), { cacheFrom: [local("silent")] });
    assert.deepEqual(said, { "c /c": "" });
  });

  test("no credential is in them, neither as it is nor sealed; that it changed is known all the same", async () => {
    await build(await project(), { cacheTo: [local("secrets")] });
    const notes = notesOf(documentOf("secrets").manifest);
    assert.ok(notes !== undefined);
    const text = inflateRawSync(readFileSync(blobOf("secrets", notes.digest))).toString("latin1");
    assert.match(text, /API_TOKEN/);
    assert.doesNotMatch(text, /plaintext|sealed:(?!0{8}:0{32}")/);
    const said = await build(await project(), {
      cacheFrom: [local("secrets")],
      buildArgs: { API_TOKEN: "plaintexttwo" },
    });
    assert.equal(said["a /plaintexttwo/a"], "ARG API_TOKEN changed (value not shown)");
  });

  test("lists that are malformed, or those of other steps, cost nothing but themselves", async () => {
    await build(await project(), { cacheTo: [local("hostile")] });
    const { top, manifest } = documentOf("hostile");
    const notes = notesOf(manifest);
    assert.ok(notes !== undefined);
    const good = inflateRawSync(readFileSync(blobOf("hostile", notes.digest)));
    const moved = Buffer.from(good.toString("latin1").replaceAll(/"record":\d+/g, '"record":0'), "latin1");
    const bodies = [
      Buffer.alloc(0),
      Buffer.from("no deflate"),
      deflateRawSync(Buffer.alloc(17_000_000)),
      deflateRawSync(good.subarray(0, good.length - 9)),
      deflateRawSync(Buffer.concat([Buffer.from([moved.indexOf("}{") + 1 || 9, 0, 0, 0]), moved.subarray(4)])),
      deflateRawSync(Buffer.from(good.toString("latin1").replaceAll('"op":"sha256:', '"op":"sha256:0'), "latin1")),
      deflateRawSync(Buffer.from(good.toString("latin1").replaceAll('"kind"', '"k\\nd"'), "latin1")),
    ];
    for (const [at, bytes] of bodies.entries()) {
      const descriptor = { mediaType: NOTES, digest: digestOf(bytes), size: bytes.length };
      const layers = manifest.layers?.map((layer) => (layer.mediaType === NOTES ? descriptor : layer));
      const document = Buffer.from(JSON.stringify({ ...manifest, layers }));
      writeFileSync(blobOf("hostile", descriptor.digest), bytes);
      writeFileSync(blobOf("hostile", digestOf(document)), document);
      const entry = { ...top, digest: digestOf(document), size: document.length };
      const index = JSON.stringify({ schemaVersion: 2, manifests: [entry] });
      writeFileSync(join(fixture.folder, "hostile/index.json"), index);
      const options = { cacheFrom: [local("hostile")], cacheTo: [local("hostile-2")] };
      assert.deepEqual(Object.keys(await build(await project({ c: "changed" }), options)), ["c /c"], `case ${at}`);
    }
  });

  test("a record without its result, and one that was removed from the cache", async () => {
    await build(await project(), { cacheTo: [local("trimmed", { mode: "min" })] });
    const path = join(fixture.folder, "trimmed");
    const said = await build(await project({ a: "22" }), { cacheFrom: [local("trimmed")] });
    assert.equal(said["a /plaintextone/a"], "a changed (content, 1 → 2 bytes)");
    const text = DOCKERFILE.replace("COPY --from=made / /all", "COPY --from=made /b /all");
    const edited = await build(await project({ Dockerfile: text }), { cacheFrom: [local("trimmed")] });
    const because =
      "instruction changed: COPY --from=made / /all → COPY --from=made /b /all; " +
      `[made 2/2] COPY b /b ran: record is in directory ${path} without its result`;
    assert.deepEqual(edited, {
      "a /plaintextone/a": `record is in directory ${path} without its result`,
      "b /b": `record is in directory ${path} without its result`,
      "--from=made /b /all": because,
      "c /c": because,
    });
    const other = await project({ Dockerfile: "FROM scratch\nCOPY a /other\n" });
    await build(other, { cacheTo: [local("trimmed", { reset: "true" })] });
    assert.equal((await build(await project(), { cacheFrom: [local("trimmed")] }))["b /b"], "");
  });

  test("a layer that is gone from a directory", async () => {
    await build(await project(), { cacheTo: [local("gone")] });
    const victims = (documentOf("gone").manifest.layers ?? []).filter(({ mediaType }) => mediaType !== NOTES);
    for (const { digest } of victims) rmSync(blobOf("gone", digest), { force: true });
    const texts = Object.values(await build(await project(), { cacheFrom: [local("gone")] }));
    const expected = new RegExp(
      `^record is in directory ${fixture.folder}/gone but layer sha256:[0-9a-f]{12}… is gone$`,
    );
    assert.ok(
      texts.some((text) => expected.test(text)),
      texts.join("\n"),
    );
  });

  test("a layer that is gone from a registry", { skip: registryMissing() ?? false }, async () => {
    await build(await project(), { cacheTo: [remote("gone")] });
    const blobs = join(registry?.directory ?? "", "docker/registry/v2/blobs/sha256");
    const links = join(registry?.directory ?? "", "docker/registry/v2/repositories/gone/_layers/sha256");
    for (const hex of readdirSync(links)) {
      const data = join(blobs, hex.slice(0, 2), hex, "data");
      if (readFileSync(data).subarray(0, 2).toString("hex") === "1f8b") rmSync(data);
    }
    const texts = Object.values(await build(await project(), { cacheFrom: [remote("gone")] }));
    const expected = `^record is in registry ${registry?.host}/gone:cache but layer sha256:[0-9a-f]{12}… is gone \\(404\\)$`;
    assert.ok(
      texts.some((text) => new RegExp(expected).test(text)),
      texts.join("\n"),
    );
  });
});
