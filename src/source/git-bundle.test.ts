import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type GitServer, gitMissing, startGitServer } from "../../testing/git-server.ts";
import { type TemporaryRecords, recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { digestOf } from "../core/index.ts";
import { git as runGit } from "./git-command.ts";
import { factsOf } from "./git-objects.ts";
import type { GitBundle, GitRequest } from "./git-remote.ts";
import { GitSource } from "./git.ts";

const skip = recordsMissing() ?? gitMissing() ?? false;

interface Parts extends AsyncDisposable {
  readonly fixture: TemporaryRecords;
  readonly server: GitServer;
  readonly remote: string;
  readonly first: string;
  readonly second: string;
  readonly tag: string;
  readonly source: () => GitSource;
}

/** A repository with two commits, and an annotated tag on the first. */
async function open(): Promise<Parts> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await temporaryRecords());
  const server = stack.use(await startGitServer());
  const tree = server.create("app");
  const commit = async (text: string): Promise<string> => {
    await writeFile(join(tree, "f"), text);
    server.git("app.git", "add", ".");
    server.git("app.git", "commit", "--quiet", "-m", `message ${text}`);
    return server.git("app.git", "rev-parse", "HEAD");
  };
  const first = await commit("one");
  server.git("app.git", "tag", "-a", "-m", "note", "v1");
  const tag = server.git("app.git", "rev-parse", "v1");
  const second = await commit("two");
  const owned = stack.move();
  return {
    fixture,
    server,
    remote: `${server.url}/app.git`,
    first,
    second,
    tag,
    source: () => new GitSource(fixture.records, join(fixture.root, "git")),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function files({ fixture, source }: Parts, request: GitRequest): Promise<Record<string, Buffer>> {
  const git = source();
  await using tree = await fixture.records.mount(
    await git.record(await git.resolve(request, {}), fixture.hold),
    fixture.hold,
  );
  return Object.fromEntries(readdirSync(tree.path).map((name) => [name, readFileSync(join(tree.path, name))]));
}

/** A bundle as a file, which counts how often it is opened. */
function bundleAt(path: string): GitBundle & { readonly opened: () => number } {
  let count = 0;
  return {
    digest: digestOf(readFileSync(path)),
    open: () => {
      count += 1;
      return Promise.resolve({ path, [Symbol.asyncDispose]: () => Promise.resolve() });
    },
    opened: () => count,
  };
}

test("a commit becomes a bundle with its history, and a bundle the commit's files", { skip }, async () => {
  await using at = await open();
  const { remote, first, second, fixture } = at;
  for (const ref of ["main", second, "refs/heads/main"]) {
    const made = await files(at, { remote, ref, checkoutBundle: true });
    assert.deepEqual(Object.keys(made), ["bundle"]);
    const path = join(fixture.root, "bundle");
    await writeFile(path, made["bundle"] ?? Buffer.of());
    assert.match(await runGit(["ls-remote", "--", path]), new RegExp(`^${second}\trefs/heads/main\n$`));
    const clone = join(fixture.root, `clone-${digestOf(ref).slice(-8)}`);
    execFileSync("git", ["clone", "--quiet", "-b", "main", path, clone], { stdio: "ignore" });
    assert.equal(execFileSync("git", ["-C", clone, "rev-list", "HEAD"], { encoding: "utf8" }), `${second}\n${first}\n`);

    const bundle = bundleAt(path);
    // Nothing is asked of the remote: there is no such server.
    const request = { remote: "http://127.0.0.1:1/app.git", bundle, checksum: second };
    for (const more of [{}, { ref: "main" }, { ref: second }])
      assert.equal((await files(at, { ...request, ...more }))["f"]?.toString(), "two");
    assert.ok(bundle.opened() > 0);
    const inHistory = await files(at, { ...request, checksum: first });
    assert.equal(inHistory["f"]?.toString(), "one");
    await assert.rejects(files(at, { ...request, checksum: "0".repeat(40) }), /not found in bundle/);
    await assert.rejects(files(at, { ...request, ref: "main", checksum: first }), /expected checksum to match/);
    await copyFile("/dev/null", path);
  }
});

test("requests about bundles that contradict themselves are errors", { skip }, async () => {
  await using at = await open();
  const bundle: GitBundle = { digest: digestOf("x"), open: () => Promise.reject(new Error("opened")) };
  for (const [message, request] of [
    ["git.bundle requires git.checksum to be set", { bundle }],
    ["git.checkoutbundle is incompatible with git.keepgitdir", { checkoutBundle: true, keepGitDir: true }],
    ["git.checkoutbundle is incompatible with git.subdir", { checkoutBundle: true, subdir: "a" }],
  ] as const)
    await assert.rejects(files(at, { remote: at.remote, ...request }), { code: "invalid-build", message });
});

test("the objects of a commit and of an annotated tag", { skip }, async () => {
  await using at = await open();
  const { remote, first, second, tag } = at;
  const git = at.source();
  const branch = await git.resolve({ remote }, {});
  assert.deepEqual(factsOf(branch), { ref: "refs/heads/main", checksum: second });
  const tagged = await git.resolve({ remote, ref: "v1" }, {});
  assert.deepEqual(factsOf(tagged), { ref: "refs/tags/v1", checksum: tag, commitChecksum: first });
  const kept = await git.resolve({ remote, ref: "v1", keepGitDir: true }, {});
  assert.deepEqual(factsOf(kept), { ref: "refs/tags/v1", checksum: tag });
  const hash = (kind: string, object: Uint8Array): string =>
    execFileSync("git", ["hash-object", "-t", kind, "--stdin"], { input: object, encoding: "utf8" }).trim();
  for (const resolved of [tagged, kept]) {
    const objects = await git.objects(resolved, {});
    assert.deepEqual([objects.checksum, objects.commitChecksum], [tag, first]);
    assert.equal(hash("tag", objects.tagObject ?? Buffer.of()), tag);
    assert.equal(hash("commit", objects.commitObject), first);
  }
  const plain = await git.objects(branch, {});
  assert.equal(hash("commit", plain.commitObject), second);
  assert.equal(plain.tagObject, undefined);
});

test("only hosts that the client knows are let in", { skip }, async () => {
  await using at = await open();
  const knownHosts = "example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7 \n";
  const script = join(at.fixture.root, "ssh");
  await writeFile(
    script,
    '#!/bin/sh\nprintf "%s\\n" "$@" >&2\nfor a; do case $a in UserKnown*) f=${a#*=\\"}; cat "${f%\\"}" >&2;; esac; done\nexit 1\n',
    { mode: 0o755 },
  );
  const path = process.env["PATH"];
  process.env["PATH"] = `${at.fixture.root}:${path}`;
  try {
    const asked = (hosts: string | undefined): Promise<string> =>
      runGit(["ls-remote", "ssh://git@example.org/x"], { knownHosts: hosts }).then(
        () => assert.fail("ssh succeeded"),
        (error: unknown) => String(error),
      );
    assert.match(await asked(knownHosts), /StrictHostKeyChecking=yes[^]*AAAAC3NzaC1lZDI1NTE5AAAAIJ7/);
    assert.match(await asked(undefined), /StrictHostKeyChecking=accept-new/);
  } finally {
    process.env["PATH"] = path;
  }
});
