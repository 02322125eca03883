import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Descriptor, MediaType, digestHex, digestOf, isVarveError } from "../../core/index.ts";
import { readCache } from "./read-cache.ts";
import { layoutOrigin } from "./layout-origin.ts";

interface Case {
  readonly name: string;
  /** What BuildKit showed; null: it accepted the document. */
  readonly importError: string | null;
  readonly form: "manifest" | "index" | "nomt" | "amb" | "mismatch";
  readonly layerDescriptors: readonly string[];
  readonly config?: object;
  readonly rawConfigBytes?: number;
  readonly rawConfigHead?: string;
  readonly configMediaType?: string;
  readonly configBlobMissing?: boolean;
}

const FILE = new URL("../../../testing/fixtures/remotecache/import-cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(FILE, "utf8")) as readonly Case[];

/** Where we read what BuildKit does not: larger than it reads back. */
const READ_ALL_THE_SAME = new Set(["big-config"]);
/** What our error says where BuildKit's words are those of its JSON library or its store. */
const OWN_WORDS = new Map([
  ["bad-createdAt", /parsing time "xx"/],
  ["bad-json", /it is not JSON/],
  ["trailing-json", /it is not JSON/],
  ["missing-config-blob", /it does not exist/],
]);

function configBytes({ config, rawConfigBytes = 0, rawConfigHead = "" }: Case): Buffer {
  if (config !== undefined) return Buffer.from(JSON.stringify(config));
  const head = rawConfigHead.slice(0, rawConfigBytes);
  return Buffer.from(head.padEnd(rawConfigBytes, " "));
}

function layer(digest: string): object {
  return { mediaType: MediaType.ociLayerGzip, digest, size: 3, annotations: { "containerd.io/uncompressed": digest } };
}

function container({ form, layerDescriptors, configMediaType }: Case, bytes: Buffer): object {
  const mediaType = configMediaType ?? MediaType.buildkitCacheConfig;
  const config: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  const layers = layerDescriptors.map(layer);
  switch (form) {
    case "manifest":
      return { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers };
    case "nomt":
      return { schemaVersion: 2, config, layers };
    case "amb":
      return { schemaVersion: 2, config, layers, manifests: [config] };
    case "mismatch":
      return { schemaVersion: 2, mediaType: MediaType.ociIndex, config, layers };
    case "index":
      return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [config, ...layers] };
  }
}

async function writeCase(directory: string, one: Case): Promise<void> {
  const blobs = join(directory, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const bytes = configBytes(one);
  const document = Buffer.from(JSON.stringify(container(one, bytes)));
  if (one.configBlobMissing !== true) await writeFile(join(blobs, digestHex(digestOf(bytes))), bytes);
  await writeFile(join(blobs, digestHex(digestOf(document))), document);
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const entry = {
    mediaType: MediaType.ociManifest,
    digest: digestOf(document),
    size: document.byteLength,
    annotations,
  };
  await writeFile(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

test("there are cases to try", () => assert.ok(cases.length >= 32));

for (const one of cases)
  test(`import as BuildKit does: ${one.name}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "varve-import-"));
    try {
      await writeCase(directory, one);
      const imported = readCache(layoutOrigin(directory));
      if (one.importError === null || READ_ALL_THE_SAME.has(one.name)) await imported;
      else await assert.rejects(imported, (error) => isVarveError(error) && says(error.message, one));
    } finally {
      await rm(directory, { recursive: true });
    }
  });

function says(message: string, { name, importError }: Case): boolean {
  const own = OWN_WORDS.get(name);
  assert.match(message, own ?? new RegExp(`${importError?.replaceAll(/[^\w ]/g, ".")}$`));
  return true;
}
