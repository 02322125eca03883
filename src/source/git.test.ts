import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type GitServer, gitMissing, startGitServer } from "../../testing/git-server.ts";
import { type TemporaryRecords, recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { type ErrorCode, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { git as runGit } from "./git-command.ts";
import { type GitRequest, resolveRequest } from "./git-remote.ts";
import { fetchCommit, repositoryOf, unusedRepositories } from "./git-repository.ts";
import { GitSource } from "./git.ts";

const skip = recordsMissing() ?? gitMissing() ?? false;

interface Fixture extends AsyncDisposable {
  readonly fixture: TemporaryRecords;
  readonly server: GitServer;
  readonly first: string;
  readonly second: string;
  readonly remote: string;
  source(): GitSource;
}

/** A repository with two commits, a branch, tags of both kinds, a folder and a link. */
async function open(): Promise<Fixture> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await temporaryRecords());
  const server = stack.use(await startGitServer());
  const tree = server.create("app");
  const commit = async (files: Readonly<Record<string, string>>): Promise<string> => {
    for (const [path, text] of Object.entries(files)) await writeFile(join(tree, path), text);
    server.git("app.git", "add", ".");
    server.git("app.git", "commit", "--quiet", "-m", "x");
    return server.git("app.git", "rev-parse", "HEAD");
  };
  await mkdir(join(tree, "folder"));
  await symlink("..", join(tree, "folder", "up"));
  const first = await commit({ a: "one", "folder/b": "two" });
  server.git("app.git", "tag", "light");
  server.git("app.git", "tag", "-a", "-m", "note", "v1");
  const second = await commit({ a: "three" });
  server.git("app.git", "branch", "side", first);
  const owned = stack.move();
  return {
    fixture,
    server,
    first,
    second,
    remote: `${server.url}/app.git`,
    source: () => new GitSource(fixture.records, join(fixture.root, "git")),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function files(at: Fixture, request: GitRequest): Promise<Record<string, string>> {
  const { fixture } = at;
  const git = at.source();
  const id = await git.record(await git.resolve(request, {}), fixture.hold);
  await using tree = await fixture.records.mount(id, fixture.hold);
  return Object.fromEntries((await filesBelow(tree.path)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Files by their paths, but for the git directory; links are not followed. */
async function filesBelow(root: string, below = ""): Promise<[string, string][]> {
  const entries = await readdir(join(root, below), { withFileTypes: true });
  const found = entries.map(async (entry): Promise<[string, string][]> => {
    const path = join(below, entry.name);
    if (entry.isDirectory()) return entry.name === ".git" ? [] : await filesBelow(root, path);
    return entry.isFile() ? [[path, await readFile(join(root, path), "utf8")]] : [];
  });
  return (await Promise.all(found)).flat();
}

const OLD = { a: "one", "folder/b": "two" };
const NEW = { a: "three", "folder/b": "two" };

test("a branch, a tag, a commit, and nothing at all", { skip }, async () => {
  await using at = await open();
  const { remote, first, second } = at;
  assert.deepEqual(await files(at, { remote }), NEW);
  assert.deepEqual(await files(at, { remote, ref: "side" }), OLD);
  assert.deepEqual(await files(at, { remote, ref: "light" }), OLD);
  assert.deepEqual(await files(at, { remote, ref: "v1" }), OLD);
  assert.deepEqual(await files(at, { remote, ref: "refs/heads/main" }), NEW);
  assert.deepEqual(await files(at, { remote, ref: first }), OLD);
  const resolved = async (request: Partial<GitRequest>): Promise<[string, string]> => {
    const { commit, ref } = await at.source().resolve({ remote, ...request }, {});
    return [commit, ref];
  };
  assert.deepEqual(await resolved({}), [second, "refs/heads/main"]);
  assert.deepEqual(await resolved({ ref: "v1" }), [first, "refs/tags/v1"]);
  const tag = at.server.git("app.git", "rev-parse", "v1");
  assert.deepEqual(await resolved({ ref: "v1", keepGitDir: true }), [tag, "refs/tags/v1"]);
});

test("a repository that a killed git has left is used again", { skip }, async () => {
  await using at = await open();
  const { remote, second } = at;
  const folder = join(at.fixture.root, "left");
  const repository = repositoryOf(folder, { remote });
  // Of an interrupted creation, and of an interrupted change.
  await mkdir(join(repository, "objects"), { recursive: true });
  await writeFile(join(repository, "config.lock"), "");
  for (const ref of ["v1", "main"]) {
    const resolved = await resolveRequest({ remote, ref }, {});
    await fetchCommit(repository, resolved, {});
    for (const name of ["config.lock", "shallow.lock", "packed-refs.lock"]) await writeFile(join(repository, name), "");
  }
  const ask = ["--git-dir", repository, "-c", "safe.directory=*", "cat-file", "-t", second];
  assert.equal(execFileSync("git", ask, { encoding: "utf8" }), "commit\n");
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith("checkout-")),
    [],
  );
});

test("a subdirectory of a commit", { skip }, async () => {
  await using at = await open();
  const { remote } = at;
  assert.deepEqual(await files(at, { remote, subdir: "folder" }), { b: "two" });
  assert.deepEqual(await files(at, { remote, subdir: "/folder/" }), { b: "two" });
  assert.deepEqual(await files(at, { remote, subdir: "../../folder" }), { b: "two" }, "never outside");
  await refused(at, { remote, subdir: "none" }, "invalid-build", /does not exist/);
  await refused(at, { remote, subdir: "a" }, "invalid-build", /not a directory/);
  await refused(at, { remote, subdir: "folder/up" }, "invalid-build", /folder\/up is not a directory/);
  await refused(at, { remote, subdir: ".git", keepGitDir: true }, "invalid-build", /does not exist/);
});

test("the git directory is kept on request, and works", { skip }, async () => {
  await using at = await open();
  const git = at.source();
  const resolved = await git.resolve({ remote: at.remote, keepGitDir: true, ref: "main" }, {});
  await using tree = await at.fixture.records.mount(await git.record(resolved, at.fixture.hold), at.fixture.hold);
  const ask = (...args: string[]): string =>
    execFileSync("git", ["-c", "safe.directory=*", "-C", tree.path, ...args], { encoding: "utf8" }).trim();
  assert.equal(ask("rev-parse", "HEAD"), at.second);
  assert.equal(ask("branch", "--show-current"), "", "as BuildKit, on no branch");
  assert.equal(ask("rev-parse", "refs/heads/main"), at.second);
  assert.equal(ask("remote", "get-url", "origin"), at.remote);
  assert.equal(ask("status", "--porcelain"), "");
  assert.equal(ask("reflog"), "");
  assert.deepEqual((await readdir(join(tree.path, ".git"))).includes("FETCH_HEAD"), false);
  assert.equal((await lstat(join(tree.path, "a"))).mode & 0o777, 0o644);
});

test("a kept git directory knows a tag, and no credentials of its remote", { skip }, async () => {
  await using at = await open();
  const git = at.source();
  const remote = at.remote.replace("://", "://name:s3cret@");
  const resolved = await git.resolve({ remote, keepGitDir: true, ref: "v1" }, {});
  await using tree = await at.fixture.records.mount(await git.record(resolved, at.fixture.hold), at.fixture.hold);
  const config = await readFile(join(tree.path, ".git/config"), "utf8");
  assert.match(config, /url = http:\/\/xxxxx:xxxxx@127/);
  const tag = at.server.git("app.git", "rev-parse", "v1");
  assert.equal((await readFile(join(tree.path, ".git/refs/tags/v1"), "utf8")).trim(), tag);
  assert.equal((await readFile(join(tree.path, ".git/HEAD"), "utf8")).trim(), at.first);
});

test("files can get the time of their commit", { skip }, async () => {
  await using at = await open();
  const git = at.source();
  const resolved = await git.resolve({ remote: at.remote, commitTimes: true }, {});
  assert.equal(await git.time(resolved, {}), 1_600_000_000);
  await using tree = await at.fixture.records.mount(await git.record(resolved, at.fixture.hold), at.fixture.hold);
  for (const path of ["a", "folder", "folder/up"])
    assert.equal((await lstat(join(tree.path, path))).mtimeMs, 1_600_000_000_000, path);
});

test("a commit must be the one that is asked for", { skip }, async () => {
  await using at = await open();
  const { remote, first, second } = at;
  assert.deepEqual(await files(at, { remote, checksum: second.slice(0, 8).toUpperCase() }), NEW);
  await refused(at, { remote, checksum: first }, "corrupt");
  await refused(at, { remote, checksum: "x" }, "invalid-build", /expected hex commit hash/);
  const tag = at.server.git("app.git", "rev-parse", "v1");
  for (const checksum of [tag, first]) {
    assert.deepEqual(await files(at, { remote, ref: "v1", checksum }), OLD);
    assert.deepEqual(await files(at, { remote, ref: "v1", checksum, keepGitDir: true }), OLD);
  }
  const byCommit = { remote, ref: "main", checksum: first, fetchByCommit: true };
  assert.deepEqual(await files(at, byCommit), OLD, "main is elsewhere");
  assert.equal((await at.source().resolve(byCommit, {})).ref, "refs/heads/main");
  await refused(
    at,
    { ...byCommit, checksum: first.slice(0, 8) },
    "invalid-build",
    /requires a full commit SHA checksum/,
  );
  await refused(at, { remote, ref: "none" }, "not-found");
  await refused(at, { remote, ref: "0".repeat(40) }, "remote");
  await refused(at, { remote: `${at.server.url}/none.git` }, "remote");
});

test("submodules are checked out, except those at a path of this machine", { skip }, async () => {
  await using at = await open();
  const { server, remote } = at;
  const library = server.create("lib");
  await writeFile(join(library, "l"), "library");
  server.git("lib.git", "add", ".");
  server.git("lib.git", "commit", "--quiet", "-m", "x");
  server.git("app.git", "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", library, "sub");
  server.git("app.git", "config", "-f", ".gitmodules", "submodule.sub.url", "../lib.git");
  server.git("app.git", "commit", "--quiet", "-a", "-m", "submodule");
  assert.deepEqual(await files(at, { remote }), {
    ".gitmodules": await readFile(join(server.directory, "app.git/.gitmodules"), "utf8"),
    ...NEW,
    "sub/.git": "gitdir: ../.git/modules/sub\n",
    "sub/l": "library",
  });
  assert.equal((await files(at, { remote, skipSubmodules: true }))["sub/l"], undefined);
  for (const url of [`file://${library}`, library, "ext::sh -c touch% /tmp/never"]) {
    server.git("app.git", "config", "-f", ".gitmodules", "submodule.sub.url", url);
    server.git("app.git", "commit", "--quiet", "-a", "-m", "hostile");
    await refused(at, { remote }, "remote");
  }
});

test("a submodule comes from a server that only has files", { skip }, async () => {
  await using at = await open();
  const { server, remote } = at;
  const library = server.create("lib");
  await writeFile(join(library, "l"), "library");
  server.git("lib.git", "add", ".");
  server.git("lib.git", "commit", "--quiet", "-m", "x");
  server.git("lib.git", "update-server-info");
  await using plain = createServer((request, response) => {
    void readFile(join(library, ".git", new URL(request.url ?? "/", "http://h").pathname)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
  server.git("app.git", "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", library, "sub");
  server.git("app.git", "config", "-f", ".gitmodules", "submodule.sub.url", url);
  server.git("app.git", "commit", "--quiet", "-a", "-m", "submodule");
  assert.equal((await files(at, { remote }))["sub/l"], "library");
});

test(
  "malformed remotes and references are not passed to git; protocols that run commands are rejected",
  { skip },
  async () => {
    await using at = await open();
    const { remote } = at;
    for (const ref of ["--upload-pack=touch /tmp/never", "-x", "a b", "a..b", "a\nb", "a:b", "+a", "a^{tree}", "$(id)"])
      await refused(at, { remote, ref }, "invalid-argument");
    for (const bad of ["--upload-pack=id", "-x", "", "http://h/\nx"])
      await refused(at, { remote: bad }, "invalid-argument");
    await refused(at, { remote: "ext::sh -c id" }, "remote", /not allowed/);
    await refused(at, { remote: "fd::17" }, "remote", /not allowed/);
    await refused(at, { remote: "ssh://-oProxyCommand=id/x" }, "remote");
  },
);

test("a repository of this machine can be a remote itself", { skip }, async () => {
  await using at = await open();
  assert.deepEqual(await files(at, { remote: `file://${at.server.directory}/app.git` }), NEW);
});

test("a credential goes to the remote as a header", { skip }, async () => {
  await using at = await open();
  const auth = { url: at.remote, header: "basic c2VzYW1l" };
  assert.deepEqual(await files(at, { remote: at.remote, auth }), NEW);
  assert.ok(at.server.authorizations.length > 0 && at.server.authorizations.every((header) => header === auth.header));
});

test("a remote that sends back a credential cannot get it into a message", { skip }, async () => {
  const server = createServer((request, response) => {
    response.writeHead(403, { "content-type": "text/plain" });
    response.end(
      `you sent ${request.headers.authorization ?? ""} and ${request.headers.authorization?.slice(6) ?? ""}`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.git`;
  try {
    const asked = runGit(["ls-remote", url], { auth: { url, header: "basic eC1hY2Nlc3M6czNjcmV0" } });
    await assert.rejects(asked, (error) => {
      assert.ok(isVarveError(error, "remote"));
      assert.match(error.message, /you sent \*\*\* and|you sent basic \*\*\* and/);
      assert.doesNotMatch(String(error.stack), /eC1hY2Nlc3M6/);
      return true;
    });
  } finally {
    server.close();
  }
});

test("many builds fetch at the same time; repositories are removed only while nobody uses them", { skip }, async () => {
  await using at = await open();
  const { remote } = at;
  const folder = join(at.fixture.root, "git");
  const ended = new AbortController();
  const remove = async (which: "all" | "checkouts"): Promise<number> => {
    let removed = 0;
    for (const path of unusedRepositories(folder, which)) {
      await rm(path, { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  };
  const removing = (async () => {
    for (; !ended.signal.aborted; await sleep(5)) await remove("all");
  })();
  const all = await Promise.all(["main", "side", "v1", "light"].map((ref) => files(at, { remote, ref })));
  assert.deepEqual(all, [NEW, OLD, OLD, OLD]);
  ended.abort();
  await removing;
  assert.deepEqual(await files(at, { remote, ref: "side" }), OLD);
  await mkdir(join(folder, "checkout-left"));
  assert.equal(await remove("checkouts"), 1);
  assert.ok((await remove("all")) > 0);
  assert.deepEqual(await readdir(folder), ["lock"]);
});

test("without git there is a hint; an aborted signal ends it", { skip }, async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  try {
    await assert.rejects(
      runGit(["version"]),
      (error) => isVarveError(error, "unsupported") && error.hint !== undefined,
    );
  } finally {
    process.env["PATH"] = path;
  }
  await assert.rejects(runGit(["version"], { signal: AbortSignal.abort() }), (error) =>
    isVarveError(error, "cancelled"),
  );
});

test("a program in a relative directory of PATH is not git: git is run in other directories", { skip }, async () => {
  await using directory = await temporaryDirectory("varve-git-path-");
  const path = process.env["PATH"];
  await writeFile(join(directory.path, "git"), "#!/bin/sh\necho not git\n");
  await chmod(join(directory.path, "git"), 0o755);
  process.env["PATH"] = `${relative(process.cwd(), directory.path)}:${path}`;
  try {
    assert.match(await runGit(["version"]), /^git version/);
  } finally {
    process.env["PATH"] = path;
  }
});

async function refused(at: Fixture, request: GitRequest, code: ErrorCode, message = /./): Promise<void> {
  await assert.rejects(
    files(at, request),
    (error) => isVarveError(error, code) && message.test(error.message),
    JSON.stringify(request),
  );
}
