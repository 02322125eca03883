import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { test, type TestContext } from "node:test";
import { isVarveError } from "../core/index.ts";
import { bytesOf, collect, temporaryDirectory } from "../io/index.ts";
import { hasCapability, llistxattr } from "../linux/index.ts";
import { needsRoot, OverlayStack } from "../../testing/overlays.ts";
import { describeTree } from "../../testing/trees.ts";
import { rawArchive, rawEntry } from "../../testing/raw-tar.ts";
import { applyLayer, extractArchive, type TarInput, writeTar } from "./index.ts";

interface Place {
  /** The directory that is unpacked into. */
  readonly root: string;
  /** Beside it, with a file and a directory that nothing may touch. */
  readonly outside: string;
}

/** Archives that have led, or could lead, some program out of its directory. `outside` is an absolute path. */
const ESCAPES: Readonly<Record<string, (outside: string) => TarInput[]>> = {
  "a name that climbs": () => [
    { path: "../outside/file", body: "x" },
    { path: "a/../../outside/new", body: "x" },
  ],
  "an absolute name": (outside) => [{ path: `${outside}/file`, body: "x" }],
  "an absolute link, then a file through it": (outside) => [
    { path: "l", type: "symlink", linkPath: outside },
    { path: "l/file", body: "x" },
  ],
  "a climbing link, then a file through it": () => [
    { path: "l", type: "symlink", linkPath: "../outside" },
    { path: "l/file", body: "x" },
  ],
  "a chain of links": () => [
    { path: "a", type: "symlink", linkPath: "." },
    { path: "a/b", type: "symlink", linkPath: ".." },
    { path: "a/b/c", type: "symlink", linkPath: "outside" },
    { path: "b/outside/file", body: "x" },
    { path: "c/file", body: "x" },
  ],
  "a directory that becomes a link": (outside) => [
    { path: "d", type: "directory" },
    { path: "d/sub", type: "directory" },
    { path: "d", type: "symlink", linkPath: outside },
    { path: "d/file", body: "x" },
    { path: "d/sub", type: "directory", mode: 0o777, mtime: 5n },
  ],
  "a link in the place of a directory whose time is set last": (outside) => [
    { path: "directory", type: "directory", mtime: 1n, mode: 0o700 },
    { path: "directory", type: "symlink", linkPath: `${outside}/directory` },
  ],
  "the root as a link": (outside) => [
    { path: ".", type: "symlink", linkPath: outside },
    { path: "./", type: "symlink", linkPath: outside },
    { path: "file", body: "x" },
  ],
  "a file over a link": (outside) => [
    { path: "l", type: "symlink", linkPath: `${outside}/file` },
    { path: "l", body: "x" },
  ],
  "modes and owners through a hard link to a link": (outside) => [
    { path: "l", type: "symlink", linkPath: `${outside}/file` },
    {
      path: "h",
      type: "hardlink",
      linkPath: "l",
      mode: 0o4777,
      uid: 7,
      gid: 7,
      mtime: 5n,
      xattrs: new Map([["user.x", Buffer.from("y")]]),
    },
  ],
  "deletions through a link": (outside) => [
    { path: "l", type: "symlink", linkPath: outside },
    { path: "l/.wh.file", mode: 0 },
    { path: "l/.wh..wh..opq", mode: 0 },
    { path: "../outside/.wh.file", mode: 0 },
  ],
  "links to /proc": () => [
    { path: "l", type: "symlink", linkPath: "/proc/self/root" },
    { path: "m", type: "symlink", linkPath: "/proc/self/cwd" },
    { path: "l/file", body: "x" },
    { path: "m/file", body: "x" },
  ],
};

/** Hard links to what is outside: refused, since inside there is no such file. */
const BAD_LINKS: Readonly<Record<string, (outside: string) => TarInput[]>> = {
  "an absolute hard link": (outside) => [{ path: "h", type: "hardlink", linkPath: `${outside}/file` }],
  "a climbing hard link": () => [{ path: "h", type: "hardlink", linkPath: "../outside/file" }],
  "a hard link through a link": (outside) => [
    { path: "l", type: "symlink", linkPath: outside },
    { path: "h", type: "hardlink", linkPath: "l/file" },
  ],
  "a hard link to a directory": () => [
    { path: "d", type: "directory" },
    { path: "h", type: "hardlink", linkPath: "d" },
  ],
  "a hard link to the root": () => [{ path: "h", type: "hardlink", linkPath: "." }],
  "a hard link to nothing": () => [{ path: "h", type: "hardlink", linkPath: "none" }],
  "a hard link into what it replaces": () => [
    { path: "d/f", body: "x" },
    { path: "d", type: "hardlink", linkPath: "d/f" },
  ],
};

const owned = hasCapability("chown");

async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const place = { root: `${directory.path}/root`, outside: `${directory.path}/outside` };
  mkdirSync(place.root);
  mkdirSync(`${place.outside}/directory`, { recursive: true });
  writeFileSync(`${place.outside}/file`, "untouched");
  chmodSync(`${place.outside}/file`, 0o640);
  for (const path of ["file", "directory", ""]) utimesSync(`${place.outside}/${path}`, 100, 100);
  await use(place);
  assert.deepEqual(readdirSync(place.outside), ["directory", "file"]);
  assert.deepEqual(readdirSync(`${place.outside}/directory`), []);
  assert.equal(readFileSync(`${place.outside}/file`, "utf8"), "untouched");
  for (const [path, mode] of [
    ["file", 0o100640],
    ["directory", 0o40755],
    ["", 0o40755],
  ] as const) {
    const stats = lstatSync(`${place.outside}/${path}`);
    assert.deepEqual([stats.mode, stats.mtimeMs, stats.nlink > 2 && path === "file"], [mode, 100_000, false], path);
  }
  assert.deepEqual(llistxattr(`${place.outside}/file`), []);
}

const WAYS: Readonly<Record<string, (inputs: TarInput[], root: string) => Promise<unknown>>> = {
  plain: (inputs, root) => applyLayer(writeTar(inputs), root, { format: "plain", chown: owned }),
  overlay: (inputs, root) => applyLayer(writeTar(inputs), root, { format: "overlay", chown: owned }),
  archive: (inputs, root) => extractArchive({ bytes: writeTar(inputs) }, root, { chown: owned }),
};

for (const [way, unpack] of Object.entries(WAYS)) {
  test(`nothing outside is touched: ${way}`, async (t) => {
    if (way === "overlay" && !needsRoot(t)) return;
    for (const [name, inputs] of Object.entries(ESCAPES)) {
      await t.test(name, () => withPlace(async ({ root, outside }) => void (await unpack(inputs(outside), root))));
    }
    for (const [name, inputs] of Object.entries(BAD_LINKS)) {
      await t.test(name, () =>
        withPlace(async ({ root, outside }) => {
          await assert.rejects(unpack(inputs(outside), root), (error) => isVarveError(error, "corrupt"));
        }),
      );
    }
  });
}

test("links that lead outside are kept as they are, and lead nowhere for what comes after", async () => {
  await withPlace(async ({ root }) => {
    await applyLayer(
      writeTar([
        { path: "l", type: "symlink", linkPath: "/etc" },
        { path: "l/new", body: "x" },
      ]),
      root,
      { format: "plain", chown: owned },
    );
    assert.deepEqual(readdirSync(root).sort(), ["etc", "l"]);
    assert.equal(readFileSync(`${root}/etc/new`, "utf8"), "x");
  });
});

test("whiteouts that name no entry of their directory are corrupt", async () => {
  for (const path of [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh...", "d/.wh.."]) {
    await withPlace(async ({ root }) => {
      await assert.rejects(
        applyLayer(writeTar([{ path: "d/f", body: "x" }, { path }]), root, { format: "plain", chown: owned }),
        (error) => isVarveError(error, "corrupt"),
        path,
      );
    });
  }
});

test("loops of links, files with entries, names too long", async () => {
  const cases: [TarInput[], string][] = [
    [
      [
        { path: "a", type: "symlink", linkPath: "b" },
        { path: "b", type: "symlink", linkPath: "a" },
        { path: "a/f", body: "x" },
      ],
      "corrupt",
    ],
    [
      [
        { path: "a", body: "x" },
        { path: "a/f", body: "x" },
      ],
      "corrupt",
    ],
    [[{ path: "n".repeat(300), body: "x" }], "limit-exceeded"],
    [[{ path: "f", xattrs: new Map([["security.capability", Buffer.from("nonsense")]]) }], "corrupt"],
  ];
  for (const [inputs, code] of cases) {
    await withPlace(async ({ root }) => {
      const work = applyLayer(writeTar(inputs), root, { format: "plain", chown: owned });
      await assert.rejects(work, (error) => isVarveError(error, code as "corrupt"), inputs[0]?.path ?? "");
    });
  }
});

test("a failed or cancelled unpacking closes what it opened", async () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const many = Array.from({ length: 200 }, (_, at): TarInput => ({ path: `d${at}/e/f`, body: "x" }));
  await withPlace(async ({ root }) => {
    await applyLayer(writeTar(many), root, { format: "plain", chown: owned });
    const before = open();
    await assert.rejects(applyLayer(writeTar([...many, { path: ".wh." }]), root, { format: "plain", chown: owned }));
    await assert.rejects(
      applyLayer(bytesOf(rawArchive(rawEntry({ name: "f", data: "x".repeat(100) })).subarray(0, 600)), root, {
        format: "plain",
        chown: owned,
      }),
      (error) => isVarveError(error, "corrupt"),
    );
    const signal = AbortSignal.abort();
    await assert.rejects(applyLayer(writeTar(many), root, { format: "plain", chown: owned, signal }), (error) =>
      isVarveError(error, "cancelled"),
    );
    assert.equal(open(), before);
  });
});

/** Layer, tree below, and tree above; each whiteout case in both formats and in both orders of entries. */
const WHITEOUTS: Readonly<
  Record<string, { readonly inputs: readonly TarInput[]; readonly result: readonly string[] }>
> = {
  "a deletion": { inputs: [{ path: "d/.wh.a" }], result: ["d", "d/b", "d/sub", "d/sub/c"] },
  "a directory's deletion": { inputs: [{ path: ".wh.d" }], result: [] },
  "a deletion of nothing": { inputs: [{ path: "d/.wh.none" }], result: ["d", "d/a", "d/b", "d/sub", "d/sub/c"] },
  "an opaque directory": { inputs: [{ path: "d/.wh..wh..opq" }, { path: "d/new", body: "x" }], result: ["d", "d/new"] },
  "an opaque directory with a directory kept": {
    inputs: [{ path: "d/.wh..wh..opq" }, { path: "d/sub/new", body: "x" }],
    result: ["d", "d/sub", "d/sub/new"],
  },
  "an opaque root": {
    inputs: [{ path: ".wh..wh..opq" }, { path: "d", type: "directory" }, { path: "new", body: "x" }],
    result: ["d", "new"],
  },
  "a file deleted and brought": {
    inputs: [{ path: "d/.wh.a" }, { path: "d/a", body: "new" }],
    result: ["d", "d/a", "d/b", "d/sub", "d/sub/c"],
  },
  "a directory deleted and brought": {
    inputs: [{ path: ".wh.d" }, { path: "d/new", body: "x" }],
    result: ["d", "d/new"],
  },
  "a directory deleted, and a deletion in it": {
    inputs: [{ path: ".wh.d" }, { path: "d/.wh.a" }, { path: "d/b", body: "x" }],
    result: ["d", "d/b"],
  },
  "a directory in place of a file that the layer put in place of a directory": {
    inputs: [
      { path: "d", body: "x" },
      { path: "d", type: "directory" },
      { path: "d", body: "x" },
      { path: "d", type: "directory" },
    ],
    result: ["d"],
  },
  "a device 0:0": { inputs: [{ path: "d/a", type: "char" }], result: ["d", "d/b", "d/sub", "d/sub/c"] },
  "a name like old metadata": { inputs: [{ path: "d/.wh..wh.aufs" }], result: ["d", "d/a", "d/b", "d/sub", "d/sub/c"] },
};

async function below(t: TestContext): Promise<OverlayStack | undefined> {
  if (!needsRoot(t)) return undefined;
  const stack = await OverlayStack.open();
  mkdirSync(`${stack.view}/d/sub`, { recursive: true });
  for (const path of ["d/a", "d/b", "d/sub/c"]) writeFileSync(`${stack.view}/${path}`, path);
  return stack;
}

for (const [name, { inputs, result }] of Object.entries(WHITEOUTS)) {
  test(`deletions: ${name}`, async (t) => {
    for (const order of [inputs, inputs.toReversed()]) {
      await using stack = await below(t);
      if (stack === undefined) return;
      const layer = await collect(writeTar(order), 1e6, { what: "the layer" });
      const fresh = stack.make("fresh");
      const names = (root: string): string[] =>
        describeTree(root).map((line) => JSON.parse(line.slice(0, line.indexOf('" ') + 1)) as string);
      await applyLayer(bytesOf(layer), fresh, { format: "overlay", lowerView: stack.view });
      assert.deepEqual(names(stack.push(fresh).view), result);
      stack.pop();
      await applyLayer(bytesOf(layer), stack.view, { format: "plain" });
      assert.deepEqual(names(stack.view), result);
    }
  });
}

test("over other layers: hard links to their files, their directories as parents, their links followed", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  mkdirSync(`${stack.view}/usr/bin`, { recursive: true });
  chmodSync(`${stack.view}/usr`, 0o711);
  symlinkSync("usr/bin", `${stack.view}/bin`);
  writeFileSync(`${stack.view}/usr/bin/old`, "old");
  linkSync(`${stack.view}/usr/bin/old`, `${stack.view}/usr/bin/older`);
  for (const path of ["usr", "usr/bin"]) utimesSync(`${stack.view}/${path}`, 100, 100);
  const inputs: TarInput[] = [
    { path: "bin/tool", body: "tool" },
    { path: "bin/link", type: "hardlink", linkPath: "bin/old" },
  ];
  const fresh = stack.make("fresh");
  await applyLayer(writeTar(inputs), fresh, { format: "overlay", lowerView: stack.view });
  const lines = describeTree(stack.push(fresh).view, { directoryTimes: true }).map((line) =>
    line.replace(/ time [0-9]{6,}/, ""),
  );
  assert.deepEqual(lines, [
    '"bin" 120777 0:0 to "usr/bin"',
    '"usr" 40711 0:0 time 100',
    '"usr/bin" 40755 0:0 time 100',
    '"usr/bin/link" 100644 0:0 time 0 content "old"',
    '"usr/bin/old" 100644 0:0 time 0 content "old" is "usr/bin/link"',
    '"usr/bin/older" 100644 0:0 content "old"',
    '"usr/bin/tool" 100644 0:0 time 0 content "tool"',
  ]);
  await assert.rejects(applyLayer(writeTar(inputs), stack.make("blind"), { format: "overlay" }), (error) =>
    isVarveError(error, "corrupt"),
  );
});
