import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { parseSync } from "oxc-parser";

/** Modules by layer. A module imports only from layers below its own, and only through the other module's `index.ts`. */
const LAYERS: readonly (readonly string[])[] = [
  ["core"],
  ["io", "linux", "pattern", "grpc"],
  ["state", "signature", "http", "isolation", "emulation"],
  ["content", "layer", "dockerfile", "contenthash"],
  ["snapshot", "registry"],
  ["record", "filesync", "image", "llb", "solver", "objectstore", "cdi", "network"],
  [
    "cache",
    "explain",
    "remotecache",
    "traced",
    "exec",
    "fileop",
    "source",
    "sourcepolicy",
    "frontend",
    "attest",
    "sbom",
  ],
  ["export"],
  ["engine"],
  ["images", "caches", "doctor", "history"],
  ["classic"],
  ["api/listen"],
  ["api/http", "api/buildkit"],
  ["api/docker"],
  ["library", "cli"],
];

const layerOf = new Map(LAYERS.flatMap((modules, layer) => modules.map((module) => [module, layer] as const)));
const files = globSync("src/**/*.ts").filter((path) => !path.endsWith(".test.ts"));

interface Import {
  readonly specifier: string;
  /** Only types come with it, so that nothing of it is left when the program runs. */
  readonly typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, "utf8");
  const { module, errors } = parseSync(path, text);
  assert.deepEqual(errors, [], path);
  const typeOnly = (entries: readonly { readonly isType: boolean }[]): boolean =>
    entries.length > 0 && entries.every((entry) => entry.isType);
  const still = module.staticImports.map((entry) => ({
    specifier: entry.moduleRequest.value,
    typeOnly: typeOnly(entry.entries),
  }));
  const reexported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap((entry) =>
      entry.moduleRequest === null ? [] : [{ specifier: entry.moduleRequest.value, typeOnly: entry.isType }],
    ),
  );
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => ({
    specifier: text.slice(start + 1, end - 1),
    typeOnly: false,
  }));
  return [...still, ...reexported, ...dynamic];
}

/** The folder below `src/`; each server below `src/api/` is a module of its own. */
function moduleOf(path: string): string {
  const [, first = "", second = ""] = path.split("/");
  return first === "api" ? `api/${second}` : first;
}

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const arrows: Arrow[] = files.flatMap((from) =>
  importsOf(from)
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier, typeOnly }) => ({ from, to: normalize(join(dirname(from), specifier)), typeOnly })),
);

test("there are files to look at", () => {
  assert.ok(files.length >= 100, `only ${files.length} files found`);
  assert.ok(arrows.length >= 200, `only ${arrows.length} imports found`);
});

test("every module has a layer, an index and a README", () => {
  for (const module of new Set(files.map(moduleOf))) {
    assert.ok(layerOf.has(module), `src/${module} is in no layer: add it to LAYERS and to ARCHITECTURE.md`);
    if (module !== "cli") assert.ok(files.includes(`src/${module}/index.ts`), `src/${module} has no index.ts`);
    const readme = readFileSync(`src/${module}/README.md`, "utf8");
    for (const part of ["Usage", "Structure", "Background", "Caveats"]) {
      assert.match(readme, new RegExp(`^## ${part}$`, "m"), `src/${module}/README.md has no part "${part}"`);
    }
  }
});

test("a module imports only from layers below its own, through the index", () => {
  const wrong = arrows.flatMap(({ from, to }) => {
    const [own, other] = [moduleOf(from), moduleOf(to)];
    if (!to.startsWith("src/") || own === other) return [];
    const below = (layerOf.get(other) ?? Infinity) < (layerOf.get(own) ?? -1);
    if (!below) return [`${from} imports ${to}: ${other} is not below ${own}. Move the code down, or pass it in`];
    if (to !== `src/${other}/index.ts`) return [`${from} imports ${to}: go through src/${other}/index.ts`];
    return [];
  });
  assert.deepEqual(wrong, []);
});

test("no file imports itself through others, types included", () => {
  const next = Map.groupBy(arrows, (arrow) => arrow.from);
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(path), `a cycle: ${[...trail.slice(trail.indexOf(path)), path].join(" → ")}`);
    if (done.has(path)) return;
    for (const { to } of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of files) visit(path, []);
});

test("front ends that are images run without a server", () => {
  const api = "src/api/buildkit/";
  const next = Map.groupBy(
    arrows.filter(({ typeOnly }) => !typeOnly),
    ({ from }) => from,
  );
  const reached = new Set([`${api}frontend/local/image-frontends.ts`]);
  for (const path of reached) for (const { to } of next.get(path) ?? []) if (to.startsWith(api)) reached.add(to);
  assert.ok(reached.size >= 30, `only ${reached.size} files reached`);
  const server = [...reached].filter((path) =>
    /^(?:(?:client|control|history|jobs|session)\/|(?:daemon|server)\.ts$)/.test(path.slice(api.length)),
  );
  assert.deepEqual(server, [], "a build of this process has no server and no client with a session");
});

test("what runs imports nothing from tests, scripts or testing", () => {
  for (const { from, to } of arrows) assert.ok(to.startsWith("src/"), `${from} imports ${to}`);
});

test("directories are made recursively by makeDirectories only", () => {
  let found = 0;
  for (const path of files) {
    const text = readFileSync(path, "utf8");
    found += text.split("makeDirectories(").length - 1;
    const recursive = /\bmkdir(?:Sync)?\([^;]*?\brecursive\b[^;]*?\);/.exec(text);
    assert.equal(recursive, null, `${path}: use makeDirectories; Node's recursive mkdir never returns below /proc`);
  }
  assert.ok(found >= 15, `only ${found} calls of makeDirectories found`);
});

test("a table is read and written by the module that owns it only", () => {
  const owners = new Map(
    files
      .filter((path) => path.endsWith("/schema.ts"))
      .flatMap((path) =>
        [...readFileSync(path, "utf8").matchAll(/CREATE TABLE (\w+)/g)].map(
          ([, table = ""]) => [table, moduleOf(path)] as const,
        ),
      ),
  );
  assert.ok(owners.size >= 14, `only ${owners.size} tables found`);
  const used = new RegExp(`\\b(?:FROM|INTO|UPDATE|JOIN) (${[...owners.keys()].join("|")})\\b`, "g");
  let found = 0;
  for (const path of files)
    for (const [, table = ""] of readFileSync(path, "utf8").matchAll(used)) {
      found += 1;
      assert.equal(moduleOf(path), owners.get(table), `${path} uses the table ${table}: call its module instead`);
    }
  assert.ok(found >= 80, `only ${found} statements found`);
});
