/** eStargz layers of ours, read file by file with containerd's own package, and layers that this package wrote. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { blobPath } from "../../testing/made.ts";
import { peersMissing } from "../../testing/peers.ts";
import { richBase, richContext } from "../../testing/rich-image.ts";
import { describeTree } from "../../testing/trees.ts";
import { Varve, buildsUnavailable, sh } from "../../testing/varve.ts";
import { digestHex, digestOf } from "../../src/core/index.ts";
import { type Bytes, bytesOf, collect, decompress } from "../../src/io/index.ts";
import { applyLayer, readTar, verifyEstargz } from "../../src/layer/index.ts";
import { byteStringOf } from "../../src/linux/index.ts";

const GO_PATH = "/usr/share/gocode";
const PACKAGE = "github.com/containerd/stargz-snapshotter/estargz";
const PROGRAM = fileURLToPath(new URL("./estargz-peer", import.meta.url));
const TOC = "containerd.io/snapshot/stargz/toc.digest";
const what = { what: "the test" };

const packaged = existsSync(join(GO_PATH, "src", PACKAGE)) ? undefined : `no Go package ${PACKAGE}`;
const skip = buildsUnavailable() ?? peersMissing("go", "tar") ?? packaged;
const stack = new AsyncDisposableStack();
let varve: Varve;
let context: string;
let peer: string;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  peer = join(varve.folder, "estargz-peer");
  const env = { ...process.env, GO111MODULE: "off", GOPATH: GO_PATH, GOFLAGS: "", GOCACHE: join(varve.folder, "go") };
  execFileSync("go", ["build", "-o", peer, "."], { cwd: PROGRAM, env });
  await richBase(varve);
  context = await richContext(varve);
  writeFileSync(join(context, "large"), Buffer.alloc(13_000_000, "large file, several chunks"));
  writeFileSync(join(context, "exact"), Buffer.alloc(4_194_304, "one chunk"));
});
after(() => stack.disposeAsync());

const ask = (...args: string[]): string => execFileSync(peer, args, { encoding: "utf8", maxBuffer: 1e8 });

/** "<sha256> <name>" of every regular file of an archive and of each of its hard links. */
async function filesOf(archive: Buffer): Promise<string[]> {
  const digests = new Map<string, string>();
  for await (const { path, type, linkPath, body } of readTar(bytesOf(archive))) {
    if (type === "file") digests.set(path, digestHex(digestOf(await collect(body, 1e8, what))));
    else if (type === "hardlink") digests.set(path, digests.get(linkPath) ?? "?");
  }
  return [...digests].map(([path, digest]) => `${digest} ${Buffer.from(path, "latin1").toString()}`).toSorted();
}

const DOCKERFILE = `FROM varve.test/rich-base:1
ADD special.tar /
COPY large exact app /files/
RUN rm -r /base/gone && echo run > /run-made && ln /run-made /run-link && dd if=/dev/urandom of=/random bs=1M count=6
RUN true
`;

interface Layer {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Builds, and gives the files of the layers' blobs with the digests of their tables of contents. */
async function buildLayers(name: string, attrs: string): Promise<{ readonly path: string; readonly toc: string }[]> {
  const layout = join(varve.folder, name);
  await varve.build(["-o", `type=oci,tar=false,dest=${layout},${attrs}`, "-f", "-", context], { input: DOCKERFILE });
  const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
  const index = read(join(layout, "index.json")) as { manifests: [Layer] };
  const manifest = read(blobPath(layout, index.manifests[0].digest)) as { layers: Layer[] };
  return manifest.layers.map(({ digest, annotations }) => ({
    path: blobPath(layout, digest),
    toc: annotations?.[TOC] ?? "",
  }));
}

test(
  "containerd's package reads every file of our layers, each chunk by its own offset and digest",
  { skip },
  async () => {
    for (const level of ["1", "9"]) {
      const layers = await buildLayers(
        `level-${level}`,
        `compression=estargz,force-compression=true,compression-level=${level}`,
      );
      assert.ok(layers.length >= 5);
      for (const { path, toc } of layers) {
        const archive = await collect(decompress(createReadStream(path), { format: "gzip", ...what }), 1e9, what);
        const files = ask("read", path, toc).split("\0").slice(0, -1);
        assert.deepEqual(files.toSorted(), await filesOf(archive));
      }
    }
  },
);

async function unpacked(tar: Bytes, name: string): Promise<string> {
  const folder = join(varve.folder, name);
  await mkdir(folder);
  await applyLayer(tar, byteStringOf(folder), { format: "plain" });
  return folder;
}

test("what containerd's package writes is verified, and unpacks to the same tree", { skip }, async () => {
  const archive = join(varve.folder, "whole-seconds.tar");
  const options = ["--xattrs", "--xattrs-include=*", "--format=posix", "--mtime=@1000000000"];
  await sh("tar", ...options, "-cf", archive, "-C", join(varve.folder, "special"), "special");
  const tree = describeTree(join(await unpacked(createReadStream(archive), "expected"), "special"));
  assert.ok(tree.length > 20);
  for (const mode of ["lossless", "lossy"]) {
    const path = join(varve.folder, `${mode}.esgz`);
    ask("write", mode, archive, path);
    const { size } = await stat(path);
    const open = (start: number, length: number): Bytes => createReadStream(path, { start, end: start + length - 1 });
    assert.equal((await verifyEstargz({ size, open })).kind, "verified", mode);
    const folder = await unpacked(decompress(createReadStream(path), { format: "gzip", ...what }), mode);
    assert.equal(existsSync(join(folder, "stargz.index.json")), mode === "lossy");
    assert.deepEqual(describeTree(join(folder, "special")), tree);
  }
});
