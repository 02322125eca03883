import { contextTables } from "../../contenthash/schema.ts";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readFileSync, utimesSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildFixture, buildFixture } from "../../../testing/builds.ts";
import { gitMissing, startGitServer } from "../../../testing/git-server.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { bytesOf } from "../../io/index.ts";
import { isRemote } from "./contexts.ts";
import type { BuildOptions } from "../options/options.ts";

const skip = recordsMissing() ?? false;
let outputs = 0;

/** Builds, and returns a function that reads the files of the result. */
async function built(
  fixture: BuildFixture,
  directory: string,
  options: Partial<BuildOptions> = {},
): Promise<(path: string) => string | undefined> {
  const dest = join(fixture.folder, `out-${(outputs += 1)}`);
  await fixture.build(directory, { outputs: [{ type: "local", dest }], ...options });
  return (path) => (existsSync(join(dest, path)) ? readFileSync(join(dest, path), "utf8") : undefined);
}

test("URLs and repositories are fetched; everything else is a path", () => {
  for (const text of [
    "https://h/x.git",
    "git://h/x",
    "ssh://git@h/x",
    "git@h:x.git",
    "github.com/a/b",
    "http://h/x.tar",
    "https://h/x.git?branch=b#:d",
  ])
    assert.equal(isRemote(text), true, text);
  for (const text of [".", "/x.git", "./github.com/a/b", "file:///x.git", "C:x", "ext::sh -c id", "a@b"])
    assert.equal(isRemote(text), false, text);
});

test("a named context directory uses its own ignore file, and can have the name context", { skip }, async () => {
  await using fixture = await buildFixture();
  const main = await fixture.files("main", {
    Dockerfile: "FROM scratch\nCOPY . /main/\nCOPY --from=context . /other/\n",
    hidden: "seen in main",
  });
  const other = await fixture.files("other", { ".dockerignore": "hidden\n", hidden: "x", shown: "y" });
  const read = await built(fixture, main, { buildContexts: { context: other } });
  assert.deepEqual([read("main/hidden"), read("other/hidden"), read("other/shown")], ["seen in main", undefined, "y"]);
});

test("an archive or a Dockerfile can be streamed as the context; its checksums are not cached", { skip }, async () => {
  await using fixture = await buildFixture();
  const folder = await fixture.files("c", { Dockerfile: "FROM scratch\nCOPY f /\n", f: "text" });
  const tar = join(fixture.folder, "c.tar.gz");
  execFileSync("tar", ["-czf", tar, "-C", folder, "."]);
  const read = await built(fixture, "", { context: { kind: "stream", bytes: createReadStream(tar) } });
  assert.equal(read("f"), "text");
  fixture.store.state.install(contextTables);
  assert.deepEqual(fixture.store.state.all("SELECT * FROM context_root"), []);
  const alone = await built(fixture, "", {
    context: { kind: "stream", bytes: bytesOf("FROM scratch\nCOPY <<E /g\nhere\nE\n") },
  });
  assert.equal(alone("g"), "here\n");
  await built(fixture, folder);
  assert.equal(fixture.store.state.all("SELECT * FROM context_root").length, 1);
});

test(
  "a git context uses its own Dockerfile, ignore file and commit time",
  { skip: skip === false ? (gitMissing() ?? false) : skip },
  async () => {
    await using fixture = await buildFixture();
    await using server = await startGitServer();
    server.create("app");
    await fixture.files(".", {});
    const { writeFileSync } = await import("node:fs");
    for (const [name, text] of [
      ["Dockerfile", "FROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY . /\n"],
      ["f", "text"],
      ["g", "no"],
      [".dockerignore", "g\n"],
    ] as const)
      writeFileSync(join(server.directory, "app.git", name), text);
    server.git("app.git", "add", ".");
    server.git("app.git", "commit", "--quiet", "-m", "x");
    const context = { kind: "url", url: `${server.url}/app.git#main` } as const;
    const read = await built(fixture, "", { context });
    assert.equal(read("f"), "text");
    const { digest } = await fixture.build("", { context, buildArgs: { SOURCE_DATE_EPOCH: "context" }, tags: ["t:1"] });
    const config = fixture.store.content;
    assert.ok(digest !== undefined);
    const manifest = JSON.parse(readFileSync(config.path(digest as `sha256:${string}`), "utf8")) as {
      config: { digest: `sha256:${string}` };
    };
    const { created } = JSON.parse(readFileSync(config.path(manifest.config.digest), "utf8")) as { created: string };
    assert.equal(created, new Date(1_600_000_000_000).toISOString().replace(".000", ""));
  },
);

/** Serves an archive, with its time if there is one. */
async function serveArchive(archive: Buffer, lastModified?: string): Promise<{ readonly url: string } & Disposable> {
  const server = createServer((_request, response) => {
    if (lastModified !== undefined) response.setHeader("last-modified", lastModified);
    response.end(archive);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/c.tar.gz`;
  return { url, [Symbol.dispose]: () => void server.close() };
}

test("the time of a downloaded archive is the server's, else that of its newest file", { skip }, async () => {
  await using fixture = await buildFixture();
  const folder = await fixture.files("c", { Dockerfile: "FROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY f /\n", f: "x" });
  for (const [name, time] of [
    ["Dockerfile", 1_000_000_000],
    ["f", 1_200_000_000.5],
    [".", 1_300_000_000],
  ] as const)
    utimesSync(join(folder, name), time, time);
  const archive = execFileSync("tar", ["-cz", "--format=pax", "-C", folder, "."]);
  using dated = await serveArchive(archive, "Thu, 01 Jan 2009 00:00:00 GMT");
  using undated = await serveArchive(archive);
  const epochOf = async (options: Partial<BuildOptions>): Promise<number | undefined> => {
    const dest = join(fixture.folder, `time-${(outputs += 1)}`);
    await fixture.build("", { outputs: [{ type: "oci", dest, attrs: { tar: "false" } }], ...options });
    const read = (digest: string): unknown =>
      JSON.parse(readFileSync(join(dest, "blobs/sha256", digest.slice(7)), "utf8"));
    const index = JSON.parse(readFileSync(join(dest, "index.json"), "utf8")) as { manifests: [{ digest: string }] };
    const manifest = read(index.manifests[0].digest) as { config: { digest: string } };
    return Date.parse((read(manifest.config.digest) as { created: string }).created) / 1000;
  };
  const url = (from: { readonly url: string }): BuildOptions["context"] => ({ kind: "url", url: from.url });
  const buildArgs = { SOURCE_DATE_EPOCH: "context" };
  assert.equal(await epochOf({ context: url(dated), buildArgs }), 1_230_768_000);
  assert.equal(await epochOf({ context: url(undated), buildArgs }), 1_200_000_000);
  const named = { buildContexts: { src: undated.url }, buildArgs: { SOURCE_DATE_EPOCH: "src" } };
  assert.equal(await epochOf({ context: { kind: "directory", path: folder }, ...named }), 1_200_000_000);
});
