import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ExportFixture, exportFixture, sourceOf } from "../../../testing/exports.ts";
import { addLayer, recordsMissing } from "../../../testing/records.ts";
import { type Digest, digestHex, digestOf, parseReference } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { type RecordId, SCRATCH } from "../../record/index.ts";
import {
  type Attestation,
  type ExportSource,
  type TreeSink,
  exportArchive,
  exportImage,
  exportLocal,
  exportTar,
  parseImageAttributes,
} from "../index.ts";
import { imagePurl } from "../../attest/index.ts";
import { compactJson, indentJson, memberOf } from "./json-text.ts";

const skip = recordsMissing() ?? false;
const TYPE = "https://slsa.dev/provenance/v1";

function attestation(more: Partial<Attestation> = {}): Attestation {
  const make = (): Promise<Uint8Array> => Promise.resolve(Buffer.from('{"a": {"b":[1,2]},"c":"<x>"}'));
  const content = { kind: "predicate", make } as const;
  return { predicateType: TYPE, content, fileName: "provenance.json", inlineOnly: false, ...more };
}

/** The result with these attestations for each platform. */
function attested(source: ExportSource, ...attestations: readonly Attestation[]): ExportSource {
  return { ...source, platforms: source.platforms.map((platform) => ({ ...platform, attestations })) };
}

interface Document {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: { readonly digest: Digest; readonly mediaType: string; readonly data?: string };
  readonly layers: readonly { readonly digest: Digest; readonly annotations?: Record<string, string> }[];
  readonly subject?: { readonly digest: Digest };
  readonly manifests?: readonly {
    readonly digest: Digest;
    readonly platform: { readonly os: string };
    readonly annotations?: Record<string, string>;
  }[];
}

async function textOf({ deps }: ExportFixture, digest: Digest): Promise<string> {
  return (await collect(deps.content.open(digest), 1 << 22, { what: "a document" })).toString();
}

async function documentOf(at: ExportFixture, digest: Digest): Promise<Document> {
  return JSON.parse(await textOf(at, digest)) as Document;
}

async function layer({ fixture }: ExportFixture, text = "text"): Promise<RecordId> {
  return await addLayer(fixture, SCRATCH, (path) => {
    mkdirSync(join(path, "d"));
    writeFileSync(join(path, "d/f"), text);
    linkSync(join(path, "d/f"), join(path, "other"));
    symlinkSync("f", join(path, "d/link"));
  });
}

test("the attestations of an image are a manifest in its index, about the image's manifest", { skip }, async () => {
  await using at = await exportFixture();
  const source = sourceOf([await layer(at)], { tags: ["team/app:1", "reg.test:5000/app:2"] });
  const plain = await exportImage(source, parseImageAttributes({}), at.deps);
  const { descriptor, configDigest } = await exportImage(
    attested(source, attestation()),
    parseImageAttributes({}),
    at.deps,
  );
  assert.equal(configDigest, undefined);
  const index = await documentOf(at, descriptor.digest);
  const [image, second] = index.manifests ?? [];
  assert.ok(image !== undefined && second !== undefined);
  assert.equal(image.digest, plain.descriptor.digest, "the image does not depend on its attestations");
  assert.deepEqual([image.platform.os, second.platform.os], ["linux", "unknown"]);
  assert.deepEqual(second.annotations, {
    "vnd.docker.reference.digest": image.digest,
    "vnd.docker.reference.type": "attestation-manifest",
  });
  const text = await textOf(at, second.digest);
  const manifest = JSON.parse(text) as Document;
  const keys = ["schemaVersion", "mediaType", "artifactType", "config", "layers", "subject"];
  assert.deepEqual(Object.keys(manifest), keys);
  assert.equal(manifest.artifactType, "application/vnd.docker.attestation.manifest.v1+json");
  assert.deepEqual(manifest.config, {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    size: 2,
    data: "e30=",
  });
  assert.equal(manifest.subject?.digest, image.digest);
  const [statement] = manifest.layers;
  assert.ok(statement !== undefined);
  assert.deepEqual(statement.annotations, { "in-toto.io/predicate-type": TYPE });
  const hex = digestHex(image.digest);
  const subject = (name: string): string => `{"name":"${name}?platform=linux%2Famd64","digest":{"sha256":"${hex}"}}`;
  assert.equal(
    await textOf(at, statement.digest),
    `{"_type":"https://in-toto.io/Statement/v1","predicateType":"${TYPE}","subject":[` +
      `${subject("pkg:docker/team/app@1")},${subject("pkg:docker/reg.test%3A5000/app@2")}],` +
      '"predicate":{"a":{"b":[1,2]},"c":"<x>"}}',
  );
});

test(
  "several platforms: images first, then their attestations; without names, nothing is the subject",
  { skip },
  async () => {
    await using at = await exportFixture();
    const source = attested(sourceOf([await layer(at), await layer(at, "arm")]), attestation());
    const attrs = parseImageAttributes({ "oci-artifact": "false" });
    const { descriptor } = await exportImage(source, attrs, at.deps);
    const { manifests = [] } = await documentOf(at, descriptor.digest);
    assert.deepEqual(
      manifests.map(({ annotations }) => annotations?.["vnd.docker.reference.digest"]),
      [undefined, undefined, manifests[0]?.digest, manifests[1]?.digest],
    );
    const manifest = await documentOf(at, manifests[2]?.digest ?? digestOf(""));
    assert.deepEqual([manifest.artifactType, manifest.subject], [undefined, undefined]);
    const [statement] = manifest.layers;
    assert.equal(
      await textOf(at, manifest.config.digest),
      `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["${statement?.digest}"]}}`,
    );
    assert.match(await textOf(at, statement?.digest ?? digestOf("")), /"subject":\[\],/);
  },
);

test("attestations for images only leave an archive a plain image, unless it is to have them", { skip }, async () => {
  await using at = await exportFixture();
  const source = attested(sourceOf([await layer(at)]), attestation({ inlineOnly: true }));
  const dest = join(at.fixture.root, "a.tar");
  const types = async (attrs: Record<string, string>): Promise<string> => {
    const { descriptor } = await exportArchive("oci", source, { attrs: parseImageAttributes(attrs), dest }, at.deps);
    return descriptor.mediaType;
  };
  assert.match(await types({}), /manifest/);
  assert.match(await types({ "attestation-inline": "true" }), /index/);
  const image = await exportImage(source, parseImageAttributes({}), at.deps);
  assert.match(image.descriptor.mediaType, /index/);
  const without = await exportImage(source, parseImageAttributes({ "attestation-inline": "false" }), at.deps);
  assert.match(without.descriptor.mediaType, /manifest/);
});

test("Docker's media types have no attestations", { skip }, async () => {
  await using at = await exportFixture();
  const source = attested(sourceOf([await layer(at)]), attestation());
  const attrs = parseImageAttributes({ "oci-mediatypes": "false" });
  await assert.rejects(exportImage(source, attrs, at.deps), /cannot export attestations with "oci-mediatypes=false"/);
  assert.throws(
    () => parseImageAttributes({ "oci-mediatypes": "false", "oci-artifact": "true" }),
    /exporter option "oci-artifact=true" conflicts with "oci-mediatypes=false"/,
  );
});

test("in outputs of files, attestations are files about all regular files", { skip }, async () => {
  await using at = await exportFixture();
  const { root } = at.fixture;
  const id = await layer(at);
  const hidden = attestation({ inlineOnly: true, fileName: "hidden.json" });
  const source = attested(sourceOf([id], { epoch: 9 }), attestation(), hidden);
  const attrs = { "attestation-prefix": "pre-" };
  await exportLocal(source, { attrs, dest: join(root, "out") }, at.deps);
  const file = join(root, "out/pre-provenance.json");
  assert.deepEqual(readdirSync(join(root, "out")).sort(), ["d", "other", "pre-provenance.json"]);
  assert.deepEqual([lstatSync(file).mode & 0o7777, lstatSync(file).mtimeMs], [0o600, 9000]);
  const sha256 = digestHex(digestOf("text"));
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    predicateType: TYPE,
    subject: ["d/f", "other"].map((name) => ({ name, digest: { sha256 } })),
    predicate: { a: { b: [1, 2] }, c: "<x>" },
  };
  assert.equal(readFileSync(file, "utf8"), JSON.stringify(statement, undefined, 2));
  await exportTar(source, { attrs, dest: join(root, "out.tar") }, at.deps);
  const inTar = execFileSync("tar", ["-xOf", join(root, "out.tar"), "pre-provenance.json"], { encoding: "utf8" });
  assert.equal(inTar, readFileSync(file, "utf8"));
  const sent: string[] = [];
  const send: TreeSink["send"] = async (tree) => {
    for await (const { path } of tree.entries()) sent.push(path);
    const bytes = tree.open("pre-provenance.json");
    assert.ok(bytes !== undefined);
    assert.equal((await collect(bytes, 1 << 20, { what: "a file" })).toString(), inTar);
  };
  await exportLocal(source, { attrs, dest: { kind: "tree", send } }, at.deps);
  assert.deepEqual(sent, ["d", "d/f", "d/link", "other", "pre-provenance.json"]);
});

test("platforms that share a directory have their names in the files; no name is taken twice", { skip }, async () => {
  await using at = await exportFixture();
  const { root } = at.fixture;
  const one = await layer(at);
  const two = await addLayer(at.fixture, SCRATCH, (path) => writeFileSync(join(path, "x"), ""));
  const source = attested(sourceOf([one, two]), attestation());
  const attrs = { "platform-split": "false" };
  await exportLocal(source, { attrs, dest: join(root, "a") }, at.deps);
  const names = ["d", "other", "provenance.linux_amd64.json", "provenance.linux_arm64.json", "x"];
  assert.deepEqual(readdirSync(join(root, "a")).sort(), names);
  await exportLocal(source, { attrs: {}, dest: join(root, "b") }, at.deps);
  assert.deepEqual(readdirSync(join(root, "b/linux_arm64")).sort(), ["provenance.json", "x"]);
  const twice = attested(sourceOf([one]), attestation(), attestation({ fileName: "deep/provenance.json" }));
  const taken = attested(sourceOf([one]), attestation({ fileName: "other" }));
  const run = (given: ExportSource): Promise<void> => exportLocal(given, { attrs: {}, dest: join(root, "c") }, at.deps);
  await assert.rejects(run(twice), /duplicate attestation path name provenance\.json/);
  await assert.rejects(run(taken), /has a file other/);
  chmodSync(join(root, "a/provenance.linux_amd64.json"), 0o600);
});

test("names of images are package URLs", () => {
  const platform = { os: "linux", architecture: "arm64" };
  const purl = (name: string): string => imagePurl(parseReference(name), { platform });
  assert.equal(purl("alpine"), "pkg:docker/alpine@latest?platform=linux%2Farm64");
  assert.equal(purl("docker.io/team/app:1.0"), "pkg:docker/team/app@1.0?platform=linux%2Farm64");
  assert.equal(purl("127.0.0.1:5000/a/b:x"), "pkg:docker/127.0.0.1%3A5000/a/b@x?platform=linux%2Farm64");
});

test("front ends provide predicates as files, and bundles of statements; the core comes first", { skip }, async () => {
  await using at = await exportFixture();
  const bundled = (type: string, subject: string): string =>
    `{"_type":"x","predicateType":"${type}","subject":[${subject}], "predicate": {"big": 12345678901234567890 } }`;
  const record = await addLayer(at.fixture, SCRATCH, (path) => {
    writeFileSync(join(path, "p.json"), '{ "ok": true }');
    writeFileSync(join(path, "empty.json"), "");
    writeFileSync(join(path, "text"), "no JSON");
    for (const name of ["bundle", "bad", "provenance"]) mkdirSync(join(path, name));
    writeFileSync(join(path, "bundle/a.json"), bundled("urn:b", '{"name":"n","digest":{"sha256":"00"}}'));
    writeFileSync(join(path, "bundle/sbom.json"), bundled("urn:b", ""));
    writeFileSync(join(path, "provenance/p.json"), bundled(TYPE, ""));
    symlinkSync("/etc/hostname", join(path, "bad/link"));
  });
  const file = (path: string, more: Partial<Attestation> = {}): Attestation =>
    attestation({ predicateType: "urn:a", content: { kind: "file", record, path }, fileName: path, ...more });
  const bundle = (path: string, predicateType = ""): Attestation =>
    attestation({ predicateType, content: { kind: "bundle", record, path }, fileName: path, coreName: "sbom" });
  const digest = { sha256: "11" };
  const statements = async (...given: readonly Attestation[]): Promise<string[]> => {
    const source = attested(sourceOf([record], { tags: ["app:1"] }), ...given);
    const { descriptor } = await exportImage(source, parseImageAttributes({}), at.deps);
    const { manifests = [] } = await documentOf(at, descriptor.digest);
    const { layers } = await documentOf(at, manifests[1]?.digest ?? digestOf(""));
    return await Promise.all(layers.map(({ digest: each }) => textOf(at, each)));
  };
  const made = await statements(
    file("/p.json", {
      subjects: [
        { kind: "result", name: "other" },
        { kind: "raw", name: "raw", digest },
      ],
    }),
    file("empty.json"),
    bundle("bundle", "urn:b"),
  );
  const [core, first, second, third] = made;
  assert.match(
    core ?? "",
    /"predicateType":"urn:b","subject":\[\{"name":"pkg:docker\/app@1\?.*"big":12345678901234567890\}\}$/,
  );
  assert.match(
    first ?? "",
    /"subject":\[\{"name":"pkg:.*\},\{"name":"other",.*\{"name":"raw","digest":\{"sha256":"11"\}\}\],"predicate":\{"ok":true\}\}$/,
  );
  assert.match(second ?? "", /"predicate":null\}$/);
  assert.match(third ?? "", /"subject":\[\{"name":"n","digest":\{"sha256":"00"\}\}\]/);
  await assert.rejects(statements(file("text")), /cannot read in-toto attestation text: it is not JSON/);
  await assert.rejects(statements(file("bundle")), /bundle is not a regular file/);
  await assert.rejects(statements(bundle("bundle", "urn:c")), /urn:b does not match required predicate type urn:c/);
  await assert.rejects(statements(bundle("provenance")), /frontend may not bundle provenance attestations/);
  await assert.rejects(
    statements(file("p.json", { predicateType: TYPE })),
    /frontend may not set provenance attestations/,
  );
  await assert.rejects(statements(bundle("bad")), /ENOENT/);
});

test("the files of an image's SBOM have the layers that contain them", { skip }, async () => {
  await using at = await exportFixture();
  const base = await addLayer(at.fixture, SCRATCH, (path) => {
    for (const name of ["old", "new"]) writeFileSync(join(path, name), "base");
  });
  const id = await addLayer(at.fixture, base, (path) => writeFileSync(join(path, "new"), "top"));
  const files = ["/old", "new", "/none"].map((fileName) => ({ fileName }));
  const commented = { fileName: "/old", comment: "own" };
  const document = { SPDXID: "x", files, packages: [{ name: "p", files: [commented, { fileName: "./old" }] }] };
  const make = (): Promise<Uint8Array> => Promise.resolve(Buffer.from(JSON.stringify(document)));
  const sbom = { predicateType: "https://spdx.dev/Document", fileName: "sbom.spdx.json", coreName: "sbom" };
  const source = attested(sourceOf([id]), attestation({ ...sbom, content: { kind: "predicate", make } }));
  const { descriptor } = await exportImage(source, parseImageAttributes({}), at.deps);
  const { manifests = [] } = await documentOf(at, descriptor.digest);
  const image = await documentOf(at, manifests[0]?.digest ?? digestOf(""));
  const [low, high] = image.layers.map(({ digest }) => `layerID: ${digest}`);
  const { layers } = await documentOf(at, manifests[1]?.digest ?? digestOf(""));
  const statement = JSON.parse(await textOf(at, layers[0]?.digest ?? digestOf(""))) as { predicate: unknown };
  assert.deepEqual(statement.predicate, {
    SPDXID: "x",
    files: [{ fileName: "/old", comment: low }, { fileName: "new", comment: high }, { fileName: "/none" }],
    packages: [{ name: "p", files: [commented, { fileName: "./old", comment: low }] }],
    creationInfo: { creators: ["Tool: varve"] },
  });
});

test("members of JSON are found, without changing values", () => {
  assert.equal(compactJson(' { "a" : [ 1.0 , "x y" ] } '), '{"a":[1.0,"x y"]}');
  assert.equal(memberOf('{"x":{"p":1},"p":[{"p":2}],"\\u0070":3.0}', "p"), "3.0");
  assert.equal(memberOf('{"x":{"p":1},"p": {"y" : [ 1, 2 ]}, "z":1}', "p"), '{"y":[1,2]}');
  assert.equal(memberOf('{"x":["p"]}', "p"), undefined);
});

test("JSON is indented as by JavaScript, without changing values", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 3), (value, spaces) => {
      assert.equal(indentJson(JSON.stringify(value, undefined, spaces)), JSON.stringify(value, undefined, 2));
    }),
  );
  assert.equal(indentJson('{"n":1.0,"u":"\\u003c"}'), '{\n  "n": 1.0,\n  "u": "\\u003c"\n}');
});
