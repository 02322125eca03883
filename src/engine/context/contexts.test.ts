import { contextTables } from "../../contenthash/schema.ts";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildRoom, buildRoom } from "../../../testing/builds.ts";
import { gitMissing, startGitServer } from "../../../testing/git-server.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { bytesOf } from "../../io/index.ts";
import { isRemote } from "./contexts.ts";
import type { BuildOptions } from "../options/options.ts";

const skip = recordsMissing() ?? false;
let outputs = 0;

/** Builds, and returns a function that reads the files of the result. */
async function built(
  room: BuildRoom,
  directory: string,
  options: Partial<BuildOptions> = {},
): Promise<(path: string) => string | undefined> {
  const dest = join(room.folder, `out-${(outputs += 1)}`);
  await room.build(directory, { outputs: [{ type: "local", dest }], ...options });
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
  await using room = await buildRoom();
  const main = await room.files("main", {
    Dockerfile: "FROM scratch\nCOPY . /main/\nCOPY --from=context . /other/\n",
    hidden: "seen in main",
  });
  const other = await room.files("other", { ".dockerignore": "hidden\n", hidden: "x", shown: "y" });
  const read = await built(room, main, { buildContexts: { context: other } });
  assert.deepEqual([read("main/hidden"), read("other/hidden"), read("other/shown")], ["seen in main", undefined, "y"]);
});

test("an archive or a Dockerfile can be streamed as the context; its checksums are not cached", { skip }, async () => {
  await using room = await buildRoom();
  const folder = await room.files("c", { Dockerfile: "FROM scratch\nCOPY f /\n", f: "text" });
  const tar = join(room.folder, "c.tar.gz");
  execFileSync("tar", ["-czf", tar, "-C", folder, "."]);
  const read = await built(room, "", { context: { kind: "stream", bytes: createReadStream(tar) } });
  assert.equal(read("f"), "text");
  room.store.state.install(contextTables);
  assert.deepEqual(room.store.state.all("SELECT * FROM context_root"), []);
  const alone = await built(room, "", {
    context: { kind: "stream", bytes: bytesOf("FROM scratch\nCOPY <<E /g\nhere\nE\n") },
  });
  assert.equal(alone("g"), "here\n");
  await built(room, folder);
  assert.equal(room.store.state.all("SELECT * FROM context_root").length, 1);
});

test(
  "a git context uses its own Dockerfile, ignore file and commit time",
  { skip: skip === false ? (gitMissing() ?? false) : skip },
  async () => {
    await using room = await buildRoom();
    await using server = await startGitServer();
    server.create("app");
    await room.files(".", {});
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
    const read = await built(room, "", { context });
    assert.equal(read("f"), "text");
    const { digest } = await room.build("", { context, buildArgs: { SOURCE_DATE_EPOCH: "context" }, tags: ["t:1"] });
    const config = room.store.content;
    assert.ok(digest !== undefined);
    const manifest = JSON.parse(readFileSync(config.path(digest as `sha256:${string}`), "utf8")) as {
      config: { digest: `sha256:${string}` };
    };
    const { created } = JSON.parse(readFileSync(config.path(manifest.config.digest), "utf8")) as { created: string };
    assert.equal(created, new Date(1_600_000_000_000).toISOString().replace(".000", ""));
  },
);
