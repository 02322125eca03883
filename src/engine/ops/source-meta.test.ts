import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { gitMissing, startGitServer } from "../../../testing/git-server.ts";
import { noise, putImage, putIndex } from "../../../testing/images.ts";
import { type TemporaryRecords, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { type Descriptor, MediaType, digestOf, parseReference } from "../../core/index.ts";
import { ImageStore, imageTables } from "../../image/index.ts";
import type { SourceOp } from "../../llb/index.ts";
import { ANONYMOUS, Registry, push } from "../../registry/index.ts";
import { GitSource, HttpSource, ImageSource } from "../../source/index.ts";
import { type MetaDeps, type SourceMeta, type SourceMetaRequest, resolveSourceMeta } from "./source-meta.ts";

const SIGNATURES = "testing/fixtures/signatures";

function fixture(name: string): Buffer {
  return readFileSync(`${SIGNATURES}/${name}`);
}

const platform = { os: "linux", architecture: "amd64" };

function source(identifier: string, attrs: Readonly<Record<string, string>> = {}): SourceOp {
  return { kind: "source", identifier, attrs: new Map(Object.entries(attrs)) };
}

function depsOf(temporary: TemporaryRecords, registry?: Registry): MetaDeps {
  temporary.state.install(imageTables);
  const images = new ImageSource({
    content: temporary.content,
    records: temporary.records,
    images: new ImageStore(temporary.state),
    registry: () => (registry === undefined ? Promise.reject(new Error("no registry")) : Promise.resolve(registry)),
  });
  const secrets: Readonly<Record<string, string>> = { "HTTP_AUTH_TOKEN_127.0.0.1": "t" };
  return {
    content: temporary.content,
    images,
    http: new HttpSource(temporary),
    git: new GitSource(temporary.records, join(temporary.root, "git")),
    client: {
      secret: (id) => Promise.resolve(secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
      agent: () => Promise.resolve(undefined),
    },
    platform,
    pull: "missing",
  };
}

async function meta(request: SourceMetaRequest, registry?: Registry): Promise<SourceMeta> {
  await using temporary = await temporaryRecords();
  return await resolveSourceMeta(request, depsOf(temporary, registry), temporary.hold);
}

test("a download", { skip: recordsMissing() ?? false }, async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.setHeader("last-modified", "Tue, 01 Feb 2022 03:04:05 GMT");
    response.setHeader("content-disposition", 'attachment; filename="my img.jpg"');
    response.end("content");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/f`;
  try {
    const { http } = await meta({ source: source(url) });
    assert.deepEqual(http, {
      checksum: digestOf("content"),
      filename: "my img.jpg",
      lastModified: Date.UTC(2022, 1, 1, 3, 4, 5),
      checksumResponse: undefined,
    });
    assert.deepEqual(seen, ["Bearer t"]);
    for (const algorithm of ["sha256", "sha384", "sha512"] as const) {
      const suffix = Buffer.from("suffix");
      const pinned = source(url, { "http.checksum": digestOf("content") });
      for (const asked of [source(url), pinned]) {
        const answer = await meta({ source: asked, http: { checksum: { algorithm, suffix } } });
        const expected = `${algorithm}:${createHash(algorithm).update("contentsuffix").digest("hex")}`;
        assert.deepEqual(answer.http?.checksumResponse, { digest: expected, suffix });
      }
    }
    const suffix = Buffer.alloc(4097);
    await assert.rejects(meta({ source: source(url), http: { checksum: { algorithm: "sha256", suffix } } }), {
      message: "http checksum request suffix exceeds max size 4096",
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a repository", { skip: recordsMissing() ?? gitMissing() ?? false }, async () => {
  await using server = await startGitServer();
  const tree = server.create("app");
  writeFileSync(join(tree, "f"), "x");
  server.git("app.git", "add", ".");
  server.git("app.git", "commit", "--quiet", "-m", "x");
  server.git("app.git", "tag", "-a", "-m", "note", "v1");
  const [commit, tag] = ["HEAD", "v1"].map((name) => server.git("app.git", "rev-parse", name));
  const asked = source("git://host/app.git#v1", { "git.fullurl": `${server.url}/app.git` });
  const { git } = await meta({ source: asked });
  assert.deepEqual(git, { ref: "refs/tags/v1", checksum: tag, commitChecksum: commit });
  const answer = await meta({ source: asked, git: { returnObject: true } });
  assert.ok(answer.git !== undefined && "commitObject" in answer.git && answer.git.tagObject !== undefined);
  assert.match(Buffer.from(answer.git.tagObject).toString(), new RegExp(`^object ${commit}\n`));
});

test("a signed commit and a signed tag", { skip: recordsMissing() ?? gitMissing() ?? false }, async () => {
  await using server = await startGitServer();
  server.create("app");
  const write = (type: string, path: string): string => server.git("app.git", "hash-object", "-t", type, "-w", path);
  write("tree", "/dev/null");
  const object = (type: "commit" | "tag", name: string): string =>
    write(type, resolve(`${SIGNATURES}/${type}-${name}`));
  object("commit", "plain");
  server.git("app.git", "update-ref", "refs/heads/main", object("commit", "pgp"));
  server.git("app.git", "update-ref", "refs/tags/v1", object("tag", "ssh"));
  const ask = async (ref: string, attrs: Readonly<Record<string, string>>): Promise<SourceMeta> => {
    const signed = Object.entries(attrs).map(([name, value]) => [`git.sig.${name}`, value]);
    const all = { "git.fullurl": `${server.url}/app.git`, ...Object.fromEntries(signed) };
    return await meta({ source: source(`git://host/app.git#${ref}`, all) });
  };
  const [pgp, ssh] = [fixture("ed25519.asc").toString(), fixture("ssh-ed25519.pub").toString()];
  assert.equal((await ask("main", { pubkey: pgp })).git?.ref, "refs/heads/main");
  assert.equal((await ask("v1", { pubkey: ssh, requiresignedtag: "true" })).git?.ref, "refs/tags/v1");
  await assert.rejects(ask("v1", { pubkey: ssh, ignoresignedtag: "true" }), /git object is not signed/);
  await assert.rejects(ask("main", { pubkey: pgp, requiresignedtag: "true" }), /signed tag required/);
  await assert.rejects(ask("main", { pubkey: fixture("rsa.asc").toString() }), /unknown entity/);
  await assert.rejects(ask("main", { rejectexpired: "true" }), /no armored data found/);
});

test("a signed download", { skip: recordsMissing() ?? false }, async () => {
  let body = fixture("data.txt");
  const server = createServer((_request, response) => void response.end(body));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/data.txt`;
  try {
    const keys = fixture("rsa.asc").toString();
    const signed = { "http.sig.pubkey": keys, "http.sig.signature": fixture("rsa.sig").toString() };
    const checksum = digestOf(body);
    assert.equal((await meta({ source: source(url, signed) })).http?.checksum, checksum);
    assert.equal(
      (await meta({ source: source(url, { ...signed, "http.checksum": checksum }) })).http?.checksum,
      checksum,
    );
    const missing = "http signature verification requires both pubkey and signature";
    await assert.rejects(meta({ source: source(url, { "http.sig.pubkey": keys }) }), { message: missing });
    const other = { ...signed, "http.sig.pubkey": fixture("p256.asc").toString() };
    await assert.rejects(
      meta({ source: source(url, other) }),
      /^VarveError: failed to verify pgp signature: signature by/,
    );
    body = Buffer.from("other");
    await assert.rejects(
      meta({ source: source(url, signed) }),
      /failed to verify pgp signature: .*: invalid signature$/,
    );
  } finally {
    server.close();
  }
});

test("a source without metadata", { skip: recordsMissing() ?? false }, async () => {
  assert.deepEqual(await meta({ source: source("local://x") }), { source: source("local://x") });
});

suite("images", { skip: recordsMissing() ?? registryMissing() ?? false }, () => {
  let server: RegistryServer;
  let registry: Registry;
  before(async () => {
    server = await startRegistry();
    registry = new Registry({ credentials: () => Promise.resolve(ANONYMOUS), env: {} });
  });
  after(async () => {
    registry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Pushes an image with an attestation of two statements, and a signature of it. Returns what the chain is to contain. */
  async function pushSigned(name: string): Promise<Readonly<Record<string, Descriptor>>> {
    await using made = await temporaryRecords();
    const into = { store: made.content, lease: made.hold.lease };
    const put = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
      const { digest, size } = await into.store.put(bytes, { lease: into.lease });
      return { mediaType, digest, size };
    };
    const manifest = async (layers: readonly Descriptor[], more: object): Promise<Descriptor> => {
      const config = await put("application/vnd.oci.empty.v1+json", Buffer.from("{}"));
      const document = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers, ...more };
      return await put(MediaType.ociManifest, Buffer.from(JSON.stringify(document)));
    };
    const statement = async (type: string): Promise<Descriptor> => ({
      ...(await put("application/vnd.in-toto+json", Buffer.from(type))),
      annotations: { "in-toto.io/predicate-type": type },
    });
    const image = await putImage(into, { layers: [noise(100)] });
    const statements = [
      await statement("https://slsa.dev/provenance/v1"),
      await statement("https://spdx.dev/Document"),
    ];
    const attestation = await manifest(statements, {});
    const annotations = {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": image.digest,
    };
    const unknown = { os: "unknown", architecture: "unknown" };
    const index = await putIndex(into, [image, { ...attestation, annotations, platform: unknown }]);
    const bundle = await put("application/vnd.dev.sigstore.bundle.v0.3+json", Buffer.from("signature"));
    const artifactType = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const signature = await manifest([bundle], { artifactType, subject: attestation });
    const referrers = await putIndex(into, [{ ...signature, artifactType }]);
    for (const [target, tag] of [
      [index, "1"],
      [signature, "signature"],
      [referrers, attestation.digest.replace(":", "-")],
    ] as const)
      await push(registry, [parseReference(`${name}:${tag}`)], { store: into.store, target });
    const [provenance, sbom] = statements;
    assert.ok(provenance && sbom);
    return { image, attestation, index, signature, bundle, provenance, sbom };
  }

  test("the digest, the config, and the attestations with their signature", async () => {
    const name = `${server.host}/team/signed`;
    const made = await pushSigned(name);
    const asked = source(`docker-image://${name}:1`);
    const plain = (await meta({ source: asked }, registry)).image;
    assert.equal(plain?.digest, made["index"]?.digest);
    assert.match(Buffer.from(plain?.config ?? []).toString(), /"rootfs"/);
    assert.equal(plain?.attestationChain, undefined);

    const image = { noConfig: true, attestationChain: true };
    const chained = (await meta({ source: asked, image, platform }, registry)).image;
    assert.equal(chained?.config, undefined);
    const chain = chained?.attestationChain;
    assert.equal(chain?.root, made["index"]?.digest);
    assert.equal(chain?.imageManifest, made["image"]?.digest);
    assert.equal(chain?.attestationManifest, made["attestation"]?.digest);
    assert.deepEqual(chain?.signatureManifests, [made["signature"]?.digest]);
    const names = (digests: Iterable<string>): string[] =>
      [...digests].map((digest) => Object.entries(made).find(([, each]) => each.digest === digest)?.[0] ?? digest);
    const signed = ["index", "attestation", "signature", "bundle"];
    assert.deepEqual(names(chain?.blobs.keys() ?? []), signed);
    for (const [digest, { data, descriptor }] of chain?.blobs ?? [])
      assert.deepEqual([digestOf(data), data.byteLength], [digest, descriptor.size]);

    const resolveAttestations = ["https://slsa.dev/provenance/v1"];
    const stated = (await meta({ source: asked, image: { resolveAttestations } }, registry)).image;
    assert.deepEqual(names(stated?.attestationChain?.blobs.keys() ?? []), [...signed, "provenance"]);
  });

  test("an image without an index has no chain; a checksum must match", async () => {
    const name = `${server.host}/team/plain:1`;
    await using made = await temporaryRecords();
    const into = { store: made.content, lease: made.hold.lease };
    const target = await putImage(into, { layers: [noise(10)] });
    await push(registry, [parseReference(name)], { store: into.store, target });
    const asked = source(`docker-image://${name}`);
    const { image } = await meta({ source: asked, image: { attestationChain: true } }, registry);
    assert.deepEqual([image?.digest, image?.attestationChain], [target.digest, undefined]);
    await assert.rejects(meta({ source: asked, resolveMode: "x" }, registry), { message: "invalid resolvemode: x" });
  });
});
