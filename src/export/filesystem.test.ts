import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ExportFixture, exportFixture, sourceOf } from "../../testing/exports.ts";
import { addLayer, recordsMissing } from "../../testing/records.ts";
import { isVarveError } from "../core/index.ts";
import { bytesOf } from "../io/index.ts";
import { type RecordId, SCRATCH } from "../record/index.ts";
import { exportArchive } from "./archive.ts";
import { parseImageAttributes } from "./attributes.ts";
import { exportLocal, exportTar } from "./filesystem.ts";
import { writeDest } from "./write-output.ts";

const skip = recordsMissing() ?? false;

async function tree({ fixture }: ExportFixture, files: Record<string, string>): Promise<RecordId> {
  return await addLayer(fixture, SCRATCH, (path) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(path, name, ".."), { recursive: true });
      writeFileSync(join(path, name), text);
    }
  });
}

const listing = (path: string): string[] => readdirSync(path, { recursive: true }).map(String).sort();
const tarNames = (file: string): string[] =>
  execFileSync("tar", ["-tf", file], { encoding: "utf8" }).trim().split("\n");

test("files come out as they are, whatever they are called, of the caller", { skip }, async () => {
  await using at = await exportFixture();
  const id = await addLayer(at.fixture, SCRATCH, (path) => {
    mkdirSync(join(path, "d"));
    for (const name of [".wh.f", ".wh..wh..opq", "d/.wh.g"]) writeFileSync(join(path, name), "kept");
    writeFileSync(join(path, "run"), "#!");
    chmodSync(join(path, "run"), 0o4755);
    symlinkSync("/etc/passwd", join(path, "link"));
  });
  const dest = join(at.fixture.root, "out/deep");
  await exportLocal(sourceOf([id], { epoch: 12345 }), { attrs: {}, dest }, at.deps);
  assert.deepEqual(listing(dest), [".wh..wh..opq", ".wh.f", "d", "d/.wh.g", "link", "run"]);
  assert.equal(readFileSync(join(dest, "d/.wh.g"), "utf8"), "kept");
  for (const name of listing(dest)) assert.equal(lstatSync(join(dest, name)).mtimeMs, 12_345_000, name);
  assert.equal(lstatSync(join(dest, "run")).mode & 0o7777, 0o4755);

  const file = join(at.fixture.root, "out.tar");
  await exportTar(sourceOf([id], { epoch: 5 }), { attrs: {}, dest: file }, at.deps);
  assert.deepEqual(
    tarNames(file)
      .map((name) => name.replace(/\/$/, ""))
      .sort(),
    listing(dest),
  );
});

test(
  "several platforms get a folder each, unless they are to share one and nothing is in the way",
  { skip },
  async () => {
    await using at = await exportFixture();
    const { root } = at.fixture;
    const one = await tree(at, { f: "1", "d/one": "1" });
    const two = await tree(at, { f: "2", "d/two": "2" });
    const apart = await tree(at, { "d/two": "2" });
    await exportLocal(sourceOf([one, two]), { attrs: {}, dest: join(root, "a") }, at.deps);
    assert.deepEqual(readdirSync(join(root, "a")), ["linux_amd64", "linux_arm64"]);
    assert.equal(readFileSync(join(root, "a/linux_arm64/f"), "utf8"), "2");
    const attrs = { "platform-split": "false" };
    await exportLocal(sourceOf([one, apart]), { attrs, dest: join(root, "b") }, at.deps);
    assert.deepEqual(listing(join(root, "b")), ["d", "d/one", "d/two", "f"]);
    const clash = /cannot overwrite f from linux\/amd64 with linux\/arm64 when split option is disabled/;
    await assert.rejects(exportLocal(sourceOf([one, two]), { attrs, dest: join(root, "c") }, at.deps), clash);
    await exportTar(sourceOf([one, apart]), { attrs, dest: join(root, "d.tar") }, at.deps);
    assert.equal(tarNames(join(root, "d.tar")).filter((name) => name === "d/").length, 1);
    await assert.rejects(exportTar(sourceOf([one, two]), { attrs, dest: join(root, "e.tar") }, at.deps), clash);
    assert.equal(existsSync(join(root, "e.tar")), false);
    await exportTar(sourceOf([one, two]), { attrs: {}, dest: join(root, "f.tar") }, at.deps);
    assert.ok(tarNames(join(root, "f.tar")).includes("linux_arm64/d/two"));
  },
);

test("mode=delete removes other files, and nothing else", { skip }, async () => {
  await using at = await exportFixture();
  const { root } = at.fixture;
  const dest = join(root, "out");
  const one = await tree(at, { "d/f": "1" });
  const fill = (): void => {
    for (const name of ["d/old", "old/deep/x", "linux_amd64/old"]) {
      mkdirSync(join(dest, name, ".."), { recursive: true });
      writeFileSync(join(dest, name), "");
    }
    symlinkSync(root, join(dest, "d/out"));
  };
  fill();
  await exportLocal(sourceOf([one]), { attrs: {}, dest }, at.deps);
  assert.ok(existsSync(join(dest, "old/deep/x")));
  await exportLocal(sourceOf([one]), { attrs: { mode: "delete" }, dest }, at.deps);
  assert.deepEqual(listing(dest), ["d", "d/f"]);
  assert.ok(existsSync(join(root, "state.db")), "links are not followed");
  fill();
  await exportLocal(sourceOf([one, one]), { attrs: { mode: "delete" }, dest }, at.deps);
  assert.deepEqual(
    listing(dest).filter((name) => name.endsWith("f")),
    ["linux_amd64/d/f", "linux_arm64/d/f"],
  );
  assert.deepEqual(readdirSync(dest), ["linux_amd64", "linux_arm64"]);
  const platforms = ["1.0", "2.0"].map((osVersion) => ({
    platform: { os: "windows", architecture: "amd64", osVersion },
    record: one,
  }));
  await exportLocal({ ...sourceOf([one]), platforms, multi: true }, { attrs: { mode: "delete" }, dest }, at.deps);
  assert.deepEqual(readdirSync(dest), ["windows(1.0)_amd64", "windows(2.0)_amd64"]);
  await assert.rejects(exportLocal(sourceOf([one]), { attrs: { mode: "move" }, dest }, at.deps), (error) =>
    isVarveError(error, "invalid-argument"),
  );
});

test("archives: sorted and of 1970, with names for those who load them", { skip }, async () => {
  await using at = await exportFixture();
  const { root } = at.fixture;
  const id = await tree(at, { f: "1" });
  const source = sourceOf([id], { tags: ["app:1"], epoch: 7 });
  const oci = join(root, "oci.tar");
  const attrs = parseImageAttributes({ "source-date-epoch": "8" });
  await exportArchive("oci", source, { attrs, dest: oci }, at.deps);
  const names = tarNames(oci);
  assert.deepEqual(names, names.toSorted());
  assert.ok(
    execFileSync("tar", ["--utc", "-tvf", oci], { encoding: "utf8" })
      .trim()
      .split("\n")
      .every((line) => line.includes("1970-01-01 00:00")),
  );
  const index = JSON.parse(execFileSync("tar", ["-xOf", oci, "index.json"], { encoding: "utf8" })) as {
    manifests: { annotations: Record<string, string> }[];
  };
  assert.deepEqual(index.manifests[0]?.annotations, {
    "io.containerd.image.name": "docker.io/library/app:1",
    "org.opencontainers.image.created": "1970-01-01T00:00:08Z",
    "org.opencontainers.image.ref.name": "1",
  });
  const docker = join(root, "docker.tar");
  await exportArchive("docker", source, { attrs: parseImageAttributes({}), dest: docker }, at.deps);
  const manifest = JSON.parse(execFileSync("tar", ["-xOf", docker, "manifest.json"], { encoding: "utf8" })) as {
    RepoTags: string[];
  }[];
  assert.deepEqual(manifest[0]?.RepoTags, ["app:1"]);
  await assert.rejects(
    exportArchive("docker", sourceOf([id, id]), { attrs: parseImageAttributes({}), dest: docker }, at.deps),
    /does not currently support exporting manifest lists/,
  );
  const folder = join(root, "layout");
  await exportArchive("oci", source, { attrs: parseImageAttributes({ tar: "false" }), dest: folder }, at.deps);
  assert.deepEqual(
    readdirSync(folder)
      .filter((name) => name !== "ingest")
      .sort(),
    ["blobs", "index.json", "oci-layout"],
  );
});

test("an output is there whole, or as it was before", async () => {
  await using at = await exportFixture();
  const file = join(at.fixture.root, "file");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("part");
    throw new Error("broken");
  }
  await writeDest(file, bytesOf("old"));
  await assert.rejects(writeDest(file, failing()), (error) => isVarveError(error, "storage"));
  assert.equal(readFileSync(file, "utf8"), "old");
  symlinkSync(file, `${file}-link`);
  await writeDest(`${file}-link`, bytesOf("new"));
  assert.deepEqual([readFileSync(file, "utf8"), lstatSync(`${file}-link`).isSymbolicLink()], ["new", true]);
  await writeDest("/dev/null", bytesOf("x"));
  await assert.rejects(writeDest(join(file, "below"), bytesOf("x")), (error) => isVarveError(error, "storage"));
  assert.deepEqual(
    readdirSync(at.fixture.root).filter((name) => name.endsWith(".tmp")),
    [],
  );
});
