import assert from "node:assert/strict";
import { COPY } from "../../testing/copy-action.ts";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { collect, temporaryDirectory } from "../io/index.ts";
import { writeTar } from "../layer/index.ts";
import { hasCapability, lgetxattr, lsetxattr, lutimes, mknod } from "../linux/index.ts";
import type { CopyAction, FileActionBody, MkdirAction, MkfileAction } from "../llb/index.ts";
import { PathFilter } from "../pattern/index.ts";
import { type SourceTree, applyFileAction } from "./index.ts";

const MKDIR: MkdirAction = { kind: "mkdir", path: "/", mode: 0o755, makeParents: false, timestamp: -1n };
const MKFILE: MkfileAction = { kind: "mkfile", path: "/", mode: 0o644, data: new Uint8Array(), timestamp: -1n };
const TIME = 1_600_000_000_123_456_789n;

class Trees {
  readonly source: string;
  readonly target: string;

  constructor(directory: string) {
    [this.source, this.target] = [join(directory, "source"), join(directory, "target")];
    mkdirSync(this.source);
    mkdirSync(this.target);
  }

  /** Makes files ("a=content"), directories ("d/") and links ("l->target") in a tree. */
  make(tree: "source" | "target", ...entries: string[]): void {
    for (const entry of entries) {
      const [, name = "", how, what = ""] = /^(.*?)(=|->|\/$)(.*)$/s.exec(entry) ?? [];
      const path = join(this[tree], name);
      mkdirSync(dirname(path), { recursive: true });
      if (how === "=") writeFileSync(path, what);
      else if (how === "->") symlinkSync(what, path);
      else mkdirSync(path);
    }
  }

  async apply(action: FileActionBody, source: Partial<SourceTree> = {}): Promise<void> {
    const treeOf = (): Promise<string> => Promise.resolve(this.target);
    await applyFileAction(action, { target: this.target, source: { path: this.source, ...source }, treeOf });
  }

  copy(src: string, dest: string, options: Partial<CopyAction> = {}, source: Partial<SourceTree> = {}): Promise<void> {
    return this.apply({ ...COPY, src, dest, ...options }, source);
  }

  /** The target in the notation of `make`, sorted. */
  list(): string[] {
    const walk = (below: string): string[] =>
      readdirSync(join(this.target, below), { withFileTypes: true }).flatMap((entry) => {
        const name = join(below, entry.name);
        const path = join(this.target, name);
        if (entry.isSymbolicLink()) return [`${name}->${readlinkSync(path)}`];
        if (entry.isDirectory()) return [`${name}/`, ...walk(name)];
        return [`${name}=${readFileSync(path, "utf8")}`];
      });
    return walk("").sort();
  }

  stat(name: string): { uid: number; gid: number; mode: string; mtime: bigint; ino: bigint } {
    const stat = lstatSync(join(this.target, name), { bigint: true });
    const mode = (Number(stat.mode) & 0o7777).toString(8);
    return { uid: Number(stat.uid), gid: Number(stat.gid), mode, mtime: stat.mtimeNs, ino: stat.ino };
  }
}

async function rejects(work: Promise<void>, code: Parameters<typeof isVarveError>[1], message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Error);
    assert.match(error.message, message);
    assert.ok(!error.message.includes("/proc/self"), error.message);
    return isVarveError(error, code);
  });
}

function check(what: string, run: (trees: Trees, t: TestContext) => Promise<void>): void {
  test(what, async (t) => {
    if (!hasCapability("chown") || !hasCapability("mknod"))
      return t.skip("needs root: the trees hold owners and devices");
    await using directory = await temporaryDirectory("varve-fileop-");
    await run(new Trees(directory.path), t);
  });
}

check("a file goes to a name, or into a directory that exists or ends in a slash", async (trees) => {
  trees.make("source", "f=1");
  trees.make("target", "there/");
  await trees.copy("f", "/new");
  await trees.copy("f", "/there");
  await trees.copy("f", "/made/");
  await trees.copy("f", "/dot/.");
  await trees.copy("/f", "/deep/er/g");
  assert.deepEqual(trees.list(), [
    "deep/",
    "deep/er/",
    "deep/er/g=1",
    "dot/",
    "dot/f=1",
    "made/",
    "made/f=1",
    "new=1",
    "there/",
    "there/f=1",
  ]);
});

check("of a directory the contents are copied, or itself", async (trees) => {
  trees.make("source", "d/a=1", "d/s/b=2");
  trees.make("target", "x/old=0");
  await trees.copy("d", "/x");
  await trees.copy("d/", "/y/", {});
  await trees.copy("d", "/x", { dirCopyContents: false });
  await trees.copy("d", "/z", { dirCopyContents: false });
  const tree = (at: string): string[] => [`${at}a=1`, `${at}s/`, `${at}s/b=2`];
  assert.deepEqual(
    trees.list(),
    ["x/", ...tree("x/"), "x/d/", ...tree("x/d/"), "x/old=0", "y/", ...tree("y/"), "z/", ...tree("z/")].sort(),
  );
});

check("metadata is kept: owner, permissions, nanoseconds, attributes", async (trees) => {
  trees.make("source", "d/f=1", "d/l->f", "d/sub/");
  const file = join(trees.source, "d/f");
  lsetxattr(file, "user.note", Buffer.from("x"));
  const { lchownSync } = await import("node:fs");
  for (const name of ["d/f", "d/l", "d/sub", "d"]) lchownSync(join(trees.source, name), 11, 22);
  chmodSync(file, 0o4751);
  chmodSync(join(trees.source, "d/sub"), 0o1777);
  for (const name of ["d/f", "d/l", "d/sub", "d"]) lutimes(join(trees.source, name), { atime: TIME, mtime: TIME });
  await trees.copy("d", "/t");
  assert.deepEqual({ ...trees.stat("t/f"), ino: 0n }, { uid: 11, gid: 22, mode: "4751", mtime: TIME, ino: 0n });
  assert.deepEqual([trees.stat("t/l").uid, trees.stat("t/l").mtime], [11, TIME]);
  assert.deepEqual([trees.stat("t/sub").mode, trees.stat("t/sub").mtime], ["1777", TIME]);
  assert.deepEqual(lgetxattr(join(trees.target, "t/f"), "user.note"), Buffer.from("x"));
  // The directory that takes the contents is made, not copied; its time is the source's.
  assert.deepEqual({ ...trees.stat("t"), ino: 0n }, { uid: 0, gid: 0, mode: "755", mtime: TIME, ino: 0n });
});

check("owner, mode and time can be given", async (trees) => {
  trees.make("source", "d/f=1", "d/x=1", "d/l->f");
  chmodSync(join(trees.source, "d/x"), 0o700);
  trees.make("target", "etc/passwd=root:x:0:0::/:\nweb:x:33:44::/:\n", "etc/group=root:x:0:\nops:x:55:web\n");
  const web = { user: { kind: "name", name: "web", input: 0 } } as const;
  await trees.copy("d", "/a/b", { owner: web, mode: 0o2750, timestamp: TIME });
  for (const name of ["a", "a/b", "a/b/f"]) {
    assert.deepEqual(
      { ...trees.stat(name), ino: 0n },
      { uid: 33, gid: 44, mode: name === "a/b/f" ? "2750" : "750", mtime: TIME, ino: 0n },
      name,
    );
  }
  assert.equal(trees.stat("a/b/l").uid, 33);
  await trees.copy("d", "/c", {
    modeStr: "go=,u+X",
    owner: { ...web, group: { kind: "name", name: "ops", input: 0 } },
  });
  assert.deepEqual([trees.stat("c/f").mode, trees.stat("c/x").mode, trees.stat("c/f").gid], ["600", "700", 55]);
  await trees.copy("d/f", "/e", { owner: { user: { kind: "id", id: 7 } } });
  assert.deepEqual([trees.stat("e").uid, trees.stat("e").gid], [7, 7]);
  await trees.copy("d/f", "/g", { owner: { user: { kind: "name", name: "nobody-here", input: 0 } } });
  assert.equal(trees.stat("g").uid, 0);
  const lost = applyFileAction(
    { ...COPY, src: "/", owner: web },
    { target: trees.target, treeOf: () => Promise.resolve(undefined) },
  );
  await rejects(lost, "invalid-build", /owner web/);
});

check("files replace files and links, never directories; directories replace nothing", async (trees) => {
  trees.make("source", "f=new", "d/x=1");
  trees.make("target", "f=old", "l->f", "dir/f/", "t/x/", "file=1");
  await trees.copy("f", "/f");
  assert.equal(readFileSync(join(trees.target, "f"), "utf8"), "new");
  await rejects(trees.copy("f", "/dir/"), "invalid-build", /Cannot copy a file to \/dir\/f: it is a directory/);
  await rejects(trees.copy("d", "/t"), "invalid-build", /\/t\/x: it is a directory/);
  await rejects(trees.copy("d", "/file"), "invalid-build", /\/file/);
  await rejects(trees.copy("f", "/file/x"), "invalid-build", /\/file: not a directory/);
  await trees.copy("d", "/t", { alwaysReplaceExistingDestPaths: true });
  await trees.copy("f", "/dir/", { alwaysReplaceExistingDestPaths: true });
  assert.deepEqual(trees.list(), ["dir/", "dir/f=new", "f=new", "file=1", "l->f", "t/", "t/x=1"]);
});

check("a nested directory that exists takes the source's metadata, one on top keeps its own", async (trees) => {
  trees.make("source", "d/s/x=1");
  trees.make("target", "t/s/y=1");
  chmodSync(join(trees.source, "d"), 0o700);
  chmodSync(join(trees.source, "d/s"), 0o711);
  await trees.copy("d", "/t");
  assert.deepEqual([trees.stat("t").mode, trees.stat("t/s").mode], ["755", "711"]);
});

check("links in the destination are followed inside the tree, below it they are in the way", async (trees) => {
  trees.make("source", "f=1", "d/sub/x=1");
  trees.make("target", "real/", "abs->/real", "up->../../../real", "dangling->/later/on", "t/sub->/real");
  await trees.copy("f", "/abs/");
  await trees.copy("f", "/up/g");
  await trees.copy("f", "/dangling/");
  await trees.copy("f", "/abs/../h");
  assert.deepEqual(
    trees.list().filter((line) => line.includes("=")),
    ["h=1", "later/on/f=1", "real/f=1", "real/g=1"],
  );
  await rejects(trees.copy("d", "/t"), "invalid-build", /\/t\/sub: it is not a directory/);
  await trees.copy("d", "/t", { alwaysReplaceExistingDestPaths: true });
  assert.equal(readFileSync(join(trees.target, "t/sub/x"), "utf8"), "1");
});

check("a link is copied as what it links to, or as itself; neither leaves the source", async (trees) => {
  trees.make("source", "f=1", "l->/f", "out->../../../etc/hostname", "d/in=1", "dl->d", "all/l->../f");
  await trees.copy("l", "/a/");
  await trees.copy("l", "/b", { followSymlink: false });
  await trees.copy("dl/in", "/c", { followSymlink: false });
  await trees.copy("dl", "/d/");
  await trees.copy("all", "/e");
  assert.deepEqual(trees.list(), ["a/", "a/l=1", "b->/f", "c=1", "d/", "d/in=1", "e/", "e/l->../f"]);
  await rejects(trees.copy("out", "/x"), "not-found", /Cannot copy out to \/x: lstat \/out: no such file or directory/);
});

check("names of one file stay so, devices and pipes too, sockets become files", async (trees) => {
  trees.make("source", "d/a=1", "d/z/");
  linkSync(join(trees.source, "d/a"), join(trees.source, "d/z/b"));
  mknod(join(trees.source, "d/null"), 0o20666, 1, 3);
  mknod(join(trees.source, "d/disk"), 0o60660, 8, 1);
  mknod(join(trees.source, "d/pipe"), 0o10644, 0, 0);
  const server = createServer().listen(join(trees.source, "d/socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  await trees.copy("d", "/t");
  server.close();
  assert.equal(trees.stat("t/a").ino, trees.stat("t/z/b").ino);
  const type = (name: string): number => lstatSync(join(trees.target, name)).mode & 0o170000;
  assert.deepEqual(["t/null", "t/disk", "t/pipe", "t/socket"].map(type), [0o20000, 0o60000, 0o10000, 0o100000]);
  assert.equal(lstatSync(join(trees.target, "t/disk")).rdev, 0x801);
});

check("wildcards match names, not slashes, and follow no links", async (trees) => {
  trees.make("source", "a.txt=1", "b.txt=2", "c.md=3", "d/e.txt=4", "d/s/g.txt=5", "x->d", "[odd].txt=6");
  await trees.copy("*.txt", "/t/");
  await trees.copy("d*/?.txt", "/u/");
  await trees.copy("*/s", "/v/");
  await trees.copy("x/*.txt", "/w/");
  await trees.copy("\\[odd].*", "/y/");
  await trees.copy("*.none", "/z/");
  assert.deepEqual(trees.list(), [
    "t/",
    "t/[odd].txt=6",
    "t/a.txt=1",
    "t/b.txt=2",
    "u/",
    "u/e.txt=4",
    "v/",
    "v/g.txt=5",
    "w/",
    "w/e.txt=4",
    "y/",
    "y/[odd].txt=6",
  ]);
  await rejects(trees.copy("*.none", "/z/", { allowEmptyWildcard: false }), "not-found", /no file matches/);
  await rejects(trees.copy("missing", "/z/"), "not-found", /lstat \/missing: no such file or directory/);
  await rejects(
    trees.copy("f*", "/no/such", { createDestPath: false }),
    "not-found",
    /\/no: no such file or directory/,
  );
});

check("include and exclude patterns choose; directories come with what is in them", async (trees) => {
  trees.make("source", "a/b/c.go=1", "a/b/c.md=2", "a/d/e.md=3", "a/b/vendor/v.go=4", "top.go=5");
  chmodSync(join(trees.source, "a/b"), 0o750);
  await trees.copy("/", "/inc", { includePatterns: ["**/*.go"], excludePatterns: ["**/vendor"] });
  assert.deepEqual(trees.list(), ["inc/", "inc/a/", "inc/a/b/", "inc/a/b/c.go=1", "inc/top.go=5"]);
  assert.equal(trees.stat("inc/a/b").mode, "750");
  await trees.copy("/a", "/exc", { excludePatterns: ["b", "!b/c.md"] });
  assert.deepEqual(
    trees.list().filter((line) => line.startsWith("exc")),
    ["exc/", "exc/b/", "exc/b/c.md=2", "exc/d/", "exc/d/e.md=3"],
  );
  await rejects(trees.copy("/", "/r", { requiredPaths: ["/a/none"] }), "not-found", /\/a\/none/);
});

check("what a source's filter leaves out is not there, and a context belongs to root", async (trees) => {
  trees.make("source", "keep=1", "node_modules/m=2", "docs/a.md=3", "docs/b.txt=4", "l->node_modules/m");
  const filter = new PathFilter({ exclude: ["node_modules", "docs", "!docs/*.md"] });
  const { lchownSync } = await import("node:fs");
  lchownSync(join(trees.source, "keep"), 77, 88);
  const context = { filter, owner: { uid: 0, gid: 0 } };
  await trees.copy("/", "/t", {}, context);
  assert.deepEqual(trees.list(), ["t/", "t/docs/", "t/docs/a.md=3", "t/keep=1", "t/l->node_modules/m"]);
  assert.equal(trees.stat("t/keep").uid, 0);
  for (const src of ["node_modules", "node_modules/m", "docs/b.txt", "l"]) {
    await rejects(
      trees.copy(src, "/x", {}, context),
      "not-found",
      new RegExp(`lstat /${src}: no such file or directory`),
    );
  }
  await trees.copy("docs", "/u", {}, context);
  await trees.copy("docs/*", "/v/", {}, context);
  assert.deepEqual(
    trees.list().filter((line) => /^[uv]\//.test(line)),
    ["u/", "u/a.md=3", "v/", "v/a.md=3"],
  );
});

check("names that are not UTF-8 are copied and matched", async (trees) => {
  const odd = Buffer.from([0x61, 0xff, 0x2e, 0x74]);
  const inTree = (tree: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${tree}/`), name]);
  writeFileSync(inTree(trees.source, odd), "odd");
  await trees.copy("a*", "/t/");
  await trees.copy("/", "/u");
  for (const at of ["t", "u"]) assert.equal(readFileSync(inTree(join(trees.target, at), odd), "utf8"), "odd");
  await trees.apply({ kind: "rm", path: "/t/a*", allowNotFound: false, allowWildcard: true });
  assert.deepEqual(readdirSync(join(trees.target, "t")), []);
});

check("directories are made, with parents or without", async (trees) => {
  await trees.apply({
    ...MKDIR,
    path: "/a/b/c",
    makeParents: true,
    mode: 0o711,
    timestamp: TIME,
    owner: { user: { kind: "id", id: 5 } },
  });
  for (const name of ["a", "a/b", "a/b/c"])
    assert.deepEqual({ ...trees.stat(name), ino: 0n }, { uid: 5, gid: 5, mode: "711", mtime: TIME, ino: 0n });
  await trees.apply({ ...MKDIR, path: "/a/b" });
  assert.equal(trees.stat("a/b").mode, "711");
  await rejects(
    trees.apply({ ...MKDIR, path: "/x/y" }),
    "not-found",
    /Cannot make directory \/x\/y: mkdir \/x\/y: no such file or directory/,
  );
  trees.make("target", "f=1");
  await rejects(trees.apply({ ...MKDIR, path: "/f/g", makeParents: true }), "invalid-build", /\/f: not a directory/);
});

check("files are written; one that exists keeps its permissions", async (trees) => {
  trees.make("target", "l->/f", "d/");
  await trees.apply({ ...MKFILE, path: "/l", data: Buffer.from("one"), mode: 0o600, timestamp: TIME });
  await trees.apply({ ...MKFILE, path: "/f", data: Buffer.from("x"), mode: 0o777 });
  assert.deepEqual(trees.list(), ["d/", "f=x", "l->/f"]);
  assert.equal(trees.stat("f").mode, "600");
  mknod(join(trees.target, "pipe"), 0o10666, 0, 0);
  await rejects(trees.apply({ ...MKFILE, path: "/pipe" }), "invalid-build", /neither/);
  await rejects(trees.apply({ ...MKFILE, path: "/d" }), "invalid-build", /is a directory/);
  await rejects(trees.apply({ ...MKFILE, path: "/no/f" }), "not-found", /\/no\/f: no such file or directory/);
});

check("links are made and things removed", async (trees) => {
  await trees.apply({
    kind: "symlink",
    oldpath: "/any/where",
    newpath: "/l",
    timestamp: TIME,
    owner: { user: { kind: "id", id: 9 } },
  });
  assert.deepEqual([trees.stat("l").mtime, trees.stat("l").uid, trees.list()], [TIME, 9, ["l->/any/where"]]);
  trees.make("target", "d/a.o=1", "d/b.o=1", "d/c=1", "dl->d", "e/f/g=1");
  const rm = { kind: "rm", allowNotFound: false, allowWildcard: false } as const;
  await trees.apply({ ...rm, path: "/d/*.o", allowWildcard: true });
  await trees.apply({ ...rm, path: "/dl/c" });
  await trees.apply({ ...rm, path: "/dl" });
  await trees.apply({ ...rm, path: "e" });
  await trees.apply({ ...rm, path: "/none", allowNotFound: true });
  assert.deepEqual(trees.list(), ["d/", "l->/any/where"]);
  await rejects(trees.apply({ ...rm, path: "/none" }), "not-found", /\/none: no such file or directory/);
  for (const path of ["/", ".", "d/.."]) await rejects(trees.apply({ ...rm, path }), "invalid-argument", /whole tree/);
});

check("a copy of many files lets others run, and stops when it is told to", async (trees) => {
  for (let index = 0; index < 2000; index += 1) writeFileSync(join(trees.source, `f${index}`), "content");
  let turns = 0;
  const ticking = setInterval(() => (turns += 1), 1);
  await trees.copy("/", "/t");
  clearInterval(ticking);
  assert.equal(readdirSync(join(trees.target, "t")).length, 2000);
  assert.ok(turns > 3, String(turns));
  const signal = AbortSignal.abort();
  const stopped = applyFileAction(
    { ...COPY, dest: "/u" },
    { target: trees.target, source: { path: trees.source }, treeOf: () => Promise.resolve(undefined), signal },
  );
  await rejects(stopped, "cancelled", /cancelled/);
});

check("an archive is unpacked where it is asked for, anything else is copied", async (trees) => {
  const tar = await collect(writeTar([{ path: "in/side", body: "1", uid: 3, gid: 4 }]), 100_000, { what: "archive" });
  writeFileSync(join(trees.source, "a.tar"), tar);
  trees.make("source", "text=2");
  await trees.copy("a.tar", "/t/x", { attemptUnpack: true });
  await trees.copy("*", "/u/", { attemptUnpack: true, owner: { user: { kind: "id", id: 8 } } });
  await trees.copy("a.tar", "/v");
  assert.deepEqual(
    trees.list().filter((line) => !line.startsWith("v=")),
    ["t/", "t/x/", "t/x/in/", "t/x/in/side=1", "u/", "u/in/", "u/in/side=1", "u/text=2"],
  );
  assert.deepEqual([trees.stat("t/x/in/side").uid, trees.stat("u/in/side").uid, trees.stat("u/text").uid], [3, 8, 8]);
});
