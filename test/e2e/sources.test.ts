import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Varve, buildsUnavailable, busyboxImage, sh } from "../../testing/varve.ts";

const skip = buildsUnavailable("tar", "gzip") ?? false;

/** Serves the files of a folder; a path that ends in "?attachment" names its file itself. */
async function serve(folder: string, log: string[]): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    log.push(`${request.method} ${pathname}`);
    readFile(join(folder, pathname)).then(
      (bytes) => response.setHeader("Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT").end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe("what comes from elsewhere", { skip }, () => {
  let varve: Varve;
  let base: string;
  let files: string;
  let server: Server;
  let url: string;
  const requests: string[] = [];

  before(async () => {
    varve = await Varve.open();
    base = await busyboxImage(varve);
    files = await varve.files("served", { "plain.txt": "plain", "tree/inner/file": "content", "tree/top": "t" });
    for (const [flag, suffix] of [
      ["-z", "tar.gz"],
      ["-J", "tar.xz"],
      ["-j", "tar.bz2"],
      ["--zstd", "tar.zst"],
      ["-p", "tar"],
    ] as const)
      await sh("tar", "-C", join(files, "tree"), flag, "-cf", join(files, `tree.${suffix}`), ".").catch(
        () => undefined,
      );
    ({ server, url } = await serve(files, requests));
  });
  after(async () => {
    server?.close();
    await varve?.[Symbol.asyncDispose]();
  });

  const context = async (
    name: string,
    dockerfile: string,
    more: Record<string, string | Uint8Array> = {},
  ): Promise<string> => await varve.files(name, { Dockerfile: dockerfile, ...more });
  const served = async (name: string): Promise<Uint8Array> => await readFile(join(files, name));

  test(
    "ADD unpacks archives of the context, and only those",
    { skip: buildsUnavailable("xz", "bzip2", "zstd") ?? false },
    async () => {
      const suffixes = ["tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst"];
      const archives = Object.fromEntries(
        await Promise.all(suffixes.map(async (suffix) => [`a.${suffix}`, await served(`tree.${suffix}`)])),
      );
      const folder = await context(
        "archives",
        `FROM scratch
${suffixes.map((suffix) => `ADD a.${suffix} /${suffix}/`).join("\n")}
ADD --chown=7:8 a.tar /owned/
ADD --unpack=false a.tar /kept/
ADD text.tar /
COPY a.tar.gz /copied/
`,
        { ...archives, "text.tar": "not an archive at all" },
      );
      const made = await varve.make([folder]);
      for (const suffix of suffixes) assert.equal(made.text(`${suffix}/inner/file`), "content", suffix);
      assert.equal(made.files.get("owned/top")?.owner, "7:8");
      assert.equal(made.files.get("kept/a.tar")?.type, "file");
      assert.equal(made.text("text.tar"), "not an archive at all");
      assert.equal(made.files.get("copied/a.tar.gz")?.type, "file");
    },
  );

  test("ADD downloads, checks, and asks again only whether it changed", async () => {
    const digest = `sha256:${createHash("sha256")
      .update(await served("plain.txt"))
      .digest("hex")}`;
    const folder = await context(
      "downloads",
      `FROM scratch
ADD ${url}/plain.txt /renamed
ADD --checksum=${digest} ${url}/plain.txt /folder/
ADD --chmod=755 --chown=1:2 ${url}/plain.txt /script
ADD ${url}/tree.tar.gz /archive/
ADD --unpack=true ${url}/tree.tar.gz /unpacked/
`,
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("renamed"), "plain");
    assert.equal(made.text("folder/plain.txt"), "plain");
    assert.deepEqual([made.files.get("renamed")?.mode, made.files.get("renamed")?.mtime], [0o600, 1_000_000_000]);
    assert.deepEqual([made.files.get("script")?.mode, made.files.get("script")?.owner], [0o755, "1:2"]);
    assert.equal(made.files.get("archive/tree.tar.gz")?.type, "file");
    assert.equal(made.text("unpacked/inner/file"), "content");
    const again = await varve.build(["-o", "type=cacheonly", folder]);
    assert.deepEqual([...new Set(again.steps.map((step) => step.status))], ["hit"]);
    const wrong = await context(
      "wrong-download",
      `FROM scratch\nADD --checksum=sha256:${"0".repeat(64)} ${url}/plain.txt /x\n`,
    );
    const refused = await varve.tryBuild([wrong]);
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(refused.stderr, /digest|checksum/);
    const absent = await varve.tryBuild([await context("absent-download", `FROM scratch\nADD ${url}/none /x\n`)]);
    assert.equal(absent.code, 3, absent.stderr);
    assert.match(absent.stderr, /404/);
  });

  test("contexts: a tar from standard input, plain and compressed, and a lone Dockerfile", async () => {
    const folder = await context("stream", "FROM scratch\nCOPY . /\n", {
      f: "f",
      "other.df": "FROM scratch\nCOPY f /other\n",
    });
    for (const flag of ["-z", "-p"]) {
      const tar = join(varve.folder, "context.tar");
      await sh("tar", "-C", folder, flag, "-cf", tar, ".");
      const input = await readFile(tar);
      assert.equal((await varve.make(["-"], { input })).text("f"), "f");
      assert.equal((await varve.make(["-f", "other.df", "-"], { input })).text("other"), "f");
    }
    const lone = await varve.make(["-"], { input: `FROM ${base}\nRUN echo lone > /lone\n` });
    assert.equal(lone.text("lone"), "lone\n");
    const aside = await varve.make(["-f", "-", folder], { input: "FROM scratch\nCOPY f /aside\n" });
    assert.equal(aside.text("aside"), "f");
    const both = await varve.tryBuild(["-f", "-", "-"], { input: "FROM scratch\n" });
    assert.equal(both.code, 2);
  });

  test("contexts: an archive and a Dockerfile by URL", async () => {
    await varve.files("served", {
      "remote/Dockerfile": "FROM scratch\nCOPY g /\n",
      "remote/g": "g",
      "lone.df": `FROM ${base}\nRUN echo r > /r\n`,
    });
    await sh("tar", "-C", join(files, "remote"), "-czf", join(files, "remote.tar.gz"), ".");
    assert.equal((await varve.make([`${url}/remote.tar.gz`])).text("g"), "g");
    assert.equal((await varve.make([`${url}/lone.df`])).text("r"), "r\n");
  });

  test(
    "git repositories as context, in ADD, and as a named context",
    { skip: buildsUnavailable("git") ?? false },
    async () => {
      const work = await varve.files("repository", {
        Dockerfile: "FROM scratch\nCOPY . /\n",
        f: "one",
        "sub/Dockerfile": "FROM scratch\nCOPY . /in-sub\n",
        "sub/g": "g",
      });
      const git = async (...args: string[]): Promise<string> =>
        await sh("git", "-C", work, "-c", "user.name=v", "-c", "user.email=v@varve.test", ...args);
      await git("init", "-q", "-b", "main");
      await git("add", ".");
      await git("commit", "-q", "-m", "one");
      await git("tag", "v1");
      const commit = (await git("rev-parse", "HEAD")).trim();
      await varve.files("repository", { f: "two" });
      await git("commit", "-q", "-am", "two");
      const bare = join(files, "repository.git");
      await sh("git", "clone", "-q", "--bare", work, bare);
      await sh("git", "-C", bare, "update-server-info");
      const remote = `${url}/repository.git`;
      assert.equal((await varve.make([remote])).text("f"), "two");
      assert.equal((await varve.make([`${remote}#v1`])).text("f"), "one");
      assert.equal((await varve.make([`${remote}#main:sub`])).text("in-sub/g"), "g");
      const keep = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"];
      const kept = await varve.make([...keep, "--build-arg", "SOURCE_DATE_EPOCH=7", remote]);
      assert.equal(kept.text(".git/HEAD"), `${(await git("rev-parse", "HEAD")).trim()}\n`);
      const folder = await context(
        "gits",
        `FROM scratch
ADD ${remote} /head
ADD --keep-git-dir=true ${remote}#v1 /tag
ADD --checksum=${commit} ${remote}#v1 /pinned
COPY --from=repo f /named
`,
      );
      const made = await varve.make(["--build-context", `repo=${remote}#v1`, folder]);
      assert.equal(made.text("head/f"), "two");
      assert.equal(made.text("tag/f"), "one");
      assert.equal(made.text("pinned/f"), "one");
      assert.equal(made.text("named"), "one");
      assert.ok([...made.files.keys()].some((path) => path.startsWith("tag/.git/")));
      assert.ok(![...made.files.keys()].some((path) => path.startsWith("head/.git")));
      const wrong = await varve.tryBuild([
        await context("wrong-git", `FROM scratch\nADD --checksum=${"0".repeat(40)} ${remote}#v1 /x\n`),
      ]);
      assert.notEqual(wrong.code, 0);
      const absent = await varve.tryBuild([`${remote}#nothing`]);
      assert.ok(absent.code === 3 || absent.code === 4, absent.stderr);
      assert.doesNotMatch(absent.stderr, /bug in varve/);
    },
  );

  test("an OCI layout as named context and as base", async () => {
    const producer = await context("producer", "FROM scratch\nCOPY f /from-layout\nLABEL of=layout\n", { f: "f" });
    const { layout } = await varve.make(["-t", "varve.test/layout:1", producer]);
    const folder = await context("consumer", "FROM given\nCOPY --from=given /from-layout /again\n");
    for (const source of [`oci-layout://${layout}:1`, `oci-layout://${layout}`]) {
      const outcome = await varve.tryBuild(["--build-context", `given=${source}`, "-o", "type=cacheonly", folder]);
      if (source.endsWith(":1")) assert.equal(outcome.code, 0, outcome.stderr);
      else assert.doesNotMatch(outcome.stderr, /bug in varve/);
    }
    const made = await varve.make(["--build-context", `given=oci-layout://${layout}:1`, folder]);
    assert.equal(made.text("again"), "f");
    assert.deepEqual(made.config.config["Labels"], { of: "layout" });
  });
});
