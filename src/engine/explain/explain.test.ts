import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { setTimeout as sleep } from "node:timers/promises";
import { type BuildFixture, buildFixture } from "../../../testing/builds.ts";
import { gitMissing, startGitServer } from "../../../testing/git-server.ts";
import { sampled } from "../../../testing/sampled.ts";
import { buildsUnavailable, sh } from "../../../testing/varve.ts";
import { prune } from "../../caches/index.ts";
import { formatPlatform, hostPlatform } from "../../core/index.ts";
import { lsetxattr } from "../../linux/index.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import type { BuildOptions, CacheSpec } from "../options/options.ts";
import { openStore } from "../store/store.ts";

/** A change of a project, and what the build after it says of its steps, by their instructions. */
interface Case {
  readonly name: string;
  /** Changes the files of the project. */
  readonly change?: (directory: string) => void;
  /** Replaces a text of the Dockerfile. */
  readonly edit?: readonly [from: string, to: string];
  readonly options?: Partial<BuildOptions>;
  /** Steps that run, with what is said of each. Steps that are not named are cached. */
  readonly expected: Readonly<Record<string, string>>;
}

interface Project {
  readonly dockerfile: string;
  readonly options?: Partial<BuildOptions>;
  readonly skip?: string | false;
}

const write = (path: string, text: string) => (directory: string) => writeFileSync(join(directory, path), text);

/** Where a build after a change finds what the build before it has left: in the same root, or in a cache that a fresh root imports. */
type Place = "same machine" | "registry" | "local";

/** Each case starts from the same project, which was built before. */
function cases(name: string, { dockerfile, options = {}, skip = false }: Project, list: readonly Case[]): void {
  suite(name, { skip }, () => {
    let fixture: BuildFixture;
    let directory = "";
    const reset = async (edit: Case["edit"]): Promise<void> => {
      if (directory !== "") rmSync(directory, { recursive: true, force: true });
      const text = edit === undefined ? dockerfile : dockerfile.replace(...edit);
      assert.ok(edit === undefined || text !== dockerfile, "the edit changes nothing");
      directory = await fixture.files("project", {
        Dockerfile: text,
        ".dockerignore": "Dockerfile\n.dockerignore\nignored\nbusybox\n",
        "package.json": "{}\n",
        "src/app.ts": "x".repeat(1204),
        "src/lib/util.ts": "export {};\n",
        "src/lib/other.ts": "// other\n",
        "public/index.html": "<html>\n",
        "public/a.css": "a {}\n",
        "public/b.css": "b {}\n",
        "public/c.css": "c {}\n",
        ignored: "not in the context\n",
      });
      symlinkSync("app.ts", join(directory, "src/main.ts"));
    };
    let registry: RegistryServer | undefined;
    const kept = (name: "original" | "fresh"): string => join(fixture.folder, name);
    const specs = (): readonly (readonly [Place, CacheSpec])[] => [
      ["local", { type: "local", attrs: { dest: join(fixture.folder, "cache"), src: join(fixture.folder, "cache") } }],
      ...(registry === undefined
        ? []
        : [["registry", { type: "registry", attrs: { ref: `${registry.host}/project:cache` } }] as const]),
    ];
    before(async () => {
      fixture = await buildFixture();
      if (registryMissing() === undefined) registry = await startRegistry();
      if (skip === false && dockerfile.includes("busybox")) {
        const base = await fixture.files("base", { Dockerfile: "FROM scratch\nCOPY busybox /bin/sh\n" });
        cpSync("/bin/busybox", join(base, "busybox"));
        await fixture.build(base, { tags: ["busybox:1"] });
      }
      await reset(undefined);
      await sh("cp", "-a", "--reflink=auto", fixture.store.root, kept("fresh"));
      const cacheTo = specs().map(([, { type, attrs }]) => ({ type, attrs: { ...attrs, mode: "max" } }));
      await fixture.build(directory, { ...options, cacheTo });
      await sh("cp", "-a", "--reflink=auto", fixture.store.root, kept("original"));
    });
    after(async () => {
      await registry?.[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    });
    /** Builds in a copy of a root, and returns what is said of the steps that run. */
    const told = async (place: Place, build: Partial<BuildOptions>): Promise<Readonly<Record<string, string>>> => {
      const root = join(fixture.folder, `copy of ${place}`);
      await sh("cp", "-a", "--reflink=auto", kept(place === "same machine" ? "original" : "fresh"), root);
      await using store = await openStore({ root });
      const cacheFrom = specs().flatMap(([name, spec]) => (name === place ? [spec] : []));
      const { steps } = await fixture.build(directory, { ...build, cacheFrom, store });
      await rm(root, { recursive: true, force: true });
      const ran = steps.filter(({ status, name: step }) => status === "run" && /\d\/\d\] (?!FROM )/.test(step));
      return Object.fromEntries(ran.map(({ name: step, why }) => [step.replace(/^\[.*?\] /, ""), why?.text ?? ""]));
    };
    for (const [index, { name: change, edit, options: more, expected, ...one }] of list.entries())
      test(change, async () => {
        await reset(edit);
        one.change?.(directory);
        const remote = specs().map(([place]) => place);
        // Each of them in turn, or all in a full run.
        const turn = [...remote.slice(index % remote.length), ...remote.slice(0, index % remote.length)];
        const places: readonly Place[] = ["same machine", ...sampled(turn, 2)];
        const all = await Promise.all(places.map((place) => told(place, { ...options, ...more })));
        assert.deepEqual(
          all,
          places.map(() => expected),
        );
      });
  });
}

const COPY = "COPY . /app/";
const copied = (text: string): Case["expected"] => ({ [COPY]: text });

cases("files of the context", { dockerfile: `FROM scratch\n${COPY}\n` }, [
  { name: "nothing", expected: {} },
  {
    name: "only times",
    change: (directory) => utimesSync(join(directory, "package.json"), 1, 1),
    expected: {},
  },
  { name: "an ignored file", change: write("ignored", "other"), expected: {} },
  {
    name: "content and size",
    change: write("src/app.ts", "y".repeat(1310)),
    expected: copied("src/app.ts changed (content, 1,204 → 1,310 bytes)"),
  },
  {
    name: "content of the same size",
    change: write("package.json", "[]\n"),
    expected: copied("package.json changed (content, 3 bytes)"),
  },
  {
    name: "emptied",
    change: write("package.json", ""),
    expected: copied("package.json changed (content, 3 → 0 bytes)"),
  },
  {
    name: "mode",
    change: (directory) => chmodSync(join(directory, "package.json"), 0o664),
    expected: copied("package.json: mode 0644 → 0664; --normalize-context ignores this"),
  },
  {
    name: "executable",
    change: (directory) => chmodSync(join(directory, "package.json"), 0o755),
    expected: copied("package.json: mode 0644 → 0755"),
  },
  {
    name: "set-id bit",
    change: (directory) => chmodSync(join(directory, "package.json"), 0o4755),
    expected: copied("package.json: mode 0644 → 4755"),
  },
  {
    name: "mode and size",
    change: (directory) => {
      write("package.json", "{ }\n")(directory);
      chmodSync(join(directory, "package.json"), 0o600);
    },
    expected: copied("package.json changed (content, 3 → 4 bytes, mode 0644 → 0600)"),
  },
  { name: "added", change: write("new.txt", "new"), expected: copied("new.txt added") },
  {
    name: "added with the content of another",
    change: write("public/d.css", "a {}\n"),
    expected: copied("public/d.css added"),
  },
  {
    name: "removed",
    change: (directory) => rmSync(join(directory, "public/a.css")),
    expected: copied("public/a.css removed"),
  },
  {
    name: "renamed",
    change: (directory) => renameSync(join(directory, "public/a.css"), join(directory, "public/z.css")),
    expected: copied("public/a.css renamed to public/z.css"),
  },
  {
    name: "moved to another directory",
    change: (directory) => renameSync(join(directory, "public/a.css"), join(directory, "src/a.css")),
    expected: copied("public/a.css renamed to src/a.css"),
  },
  {
    name: "symlink retargeted",
    change: (directory) => {
      rmSync(join(directory, "src/main.ts"));
      symlinkSync("lib/util.ts", join(directory, "src/main.ts"));
    },
    expected: copied("src/main.ts: link app.ts → lib/util.ts"),
  },
  {
    name: "file became a symlink",
    change: (directory) => {
      rmSync(join(directory, "package.json"));
      symlinkSync("src", join(directory, "package.json"));
    },
    expected: copied("package.json: type file → symlink"),
  },
  {
    name: "file became a directory",
    change: (directory) => {
      rmSync(join(directory, "package.json"));
      mkdirSync(join(directory, "package.json"));
    },
    expected: copied("package.json/: type file → directory"),
  },
  {
    name: "extended attribute",
    change: (directory) => lsetxattr(join(directory, "package.json"), "user.varve", Buffer.from("1")),
    expected: copied("package.json: extended attributes user.varve"),
  },
  {
    name: "empty directory added",
    change: (directory) => mkdirSync(join(directory, "empty")),
    expected: copied("empty/ added"),
  },
  {
    name: "directory with files added",
    change: (directory) => cpSync(join(directory, "src/lib"), join(directory, "lib"), { recursive: true }),
    expected: copied("lib/ added"),
  },
  {
    name: "directory removed",
    change: (directory) => rmSync(join(directory, "public"), { recursive: true }),
    expected: copied("public/ removed"),
  },
  {
    name: "mode of a directory",
    change: (directory) => chmodSync(join(directory, "src"), 0o775),
    expected: copied("src/: mode 0755 → 0775; --normalize-context ignores this"),
  },
  {
    name: "name that is no UTF-8",
    change: (directory) => writeFileSync(Buffer.concat([Buffer.from(`${directory}/f`), Buffer.from([0xff])]), "x"),
    expected: copied("f\ufffd added"),
  },
  {
    name: "five files",
    change: (directory) => {
      for (const file of ["package.json", "public/a.css", "public/b.css", "public/c.css", "public/index.html"])
        writeFileSync(join(directory, file), "changed");
    },
    expected: copied(
      "package.json changed (content, 3 → 7 bytes); public/a.css changed (content, 5 → 7 bytes); public/b.css changed (content, 5 → 7 bytes); 2 more",
    ),
  },
  {
    name: "ignore file excludes more",
    change: write(".dockerignore", "Dockerfile\n.dockerignore\nignored\n*.json\n"),
    expected: copied("package.json removed"),
  },
  {
    name: "ignore file excludes less",
    change: write(".dockerignore", "Dockerfile\n.dockerignore\n"),
    expected: copied("ignored added"),
  },
]);

const PACKAGE = "COPY package.json /app/";
const WORKDIR = "WORKDIR /work";
const PUBLIC = "COPY --chmod=644 public /public";
const NOTES = "COPY <<EOF /notes";
const STATIC = "COPY --from=files /public /static";
const SRC = "COPY src /src";

const STAGES = `ARG DEST=/app
FROM scratch AS files
ARG DEST
COPY package.json $DEST/
WORKDIR /work
COPY --chmod=644 public /public
FROM files AS notes
COPY <<EOF /notes
one
EOF
FROM scratch AS final
COPY --from=files /public /static
COPY src /src
`;

cases("instructions that copy", { dockerfile: STAGES }, [
  {
    name: "destination",
    edit: ["COPY src /src", "COPY src /source"],
    expected: { "COPY src /source": "instruction changed: COPY src /src → COPY src /source" },
  },
  {
    name: "source",
    edit: ["COPY src /src", "COPY src/lib /src"],
    expected: { "COPY src/lib /src": "instruction changed: COPY src /src → COPY src/lib /src" },
  },
  {
    name: "owner",
    edit: ["COPY src /src", "COPY --chown=1:2 src /src"],
    expected: { "COPY --chown=1:2 src /src": "instruction changed: COPY src /src → COPY --chown=1:2 src /src" },
  },
  {
    name: "permissions, and what copies the result",
    edit: ["--chmod=644", "--chmod=600"],
    expected: {
      "COPY --chmod=600 public /public":
        "instruction changed: COPY --chmod=644 public /public → COPY --chmod=600 public /public",
      [STATIC]:
        "the result of [files 3/3] COPY --chmod=600 public /public differs (5 files: public/: mode 0644 → 0600, public/a.css: mode 0644 → 0600, public/b.css: mode 0644 → 0600, …)",
      [SRC]:
        "the result of [files 3/3] COPY --chmod=600 public /public differs (5 files: public/: mode 0644 → 0600, public/a.css: mode 0644 → 0600, public/b.css: mode 0644 → 0600, …)",
    },
  },
  {
    name: "build argument in a path",
    options: { buildArgs: { DEST: "/srv" } },
    expected: {
      "COPY package.json /srv/": "ARG DEST: /app → /srv",
      [WORKDIR]: "ARG DEST: /app → /srv",
      [PUBLIC]: "ARG DEST: /app → /srv",
    },
  },
  {
    name: "default of a build argument",
    edit: ["DEST=/app", "DEST=/opt"],
    expected: {
      "COPY package.json /opt/": "ARG DEST: /app → /opt",
      [WORKDIR]: "ARG DEST: /app → /opt",
      [PUBLIC]: "ARG DEST: /app → /opt",
    },
  },
  {
    name: "working directory",
    edit: ["WORKDIR /work", "WORKDIR /other"],
    expected: {
      "WORKDIR /other": "instruction changed: WORKDIR /work → WORKDIR /other",
      [PUBLIC]: "instruction changed: WORKDIR /work → WORKDIR /other",
    },
  },
  {
    name: "step before",
    edit: ["COPY --chmod=644", "COPY package.json /second\nCOPY --chmod=644"],
    expected: {
      "COPY package.json /second": "",
      [PUBLIC]: "the step before: WORKDIR /work → COPY package.json /second",
    },
  },
  {
    name: "step before was removed",
    edit: ["WORKDIR /work\n", ""],
    expected: { [PUBLIC]: "the step before: WORKDIR /work → COPY package.json /app/" },
  },
  {
    name: "new step",
    edit: ["COPY src /src", "COPY src /src\nCOPY package.json /last"],
    expected: { "COPY package.json /last": "" },
  },
  {
    name: "content of a copied stage",
    change: write("public/a.css", "changed"),
    expected: {
      [PUBLIC]: "public/a.css changed (content, 5 → 7 bytes)",
      [STATIC]:
        "the result of [files 3/3] COPY --chmod=644 public /public differs (1 file: public/a.css changed (content, 5 → 7 bytes))",
      [SRC]:
        "the result of [files 3/3] COPY --chmod=644 public /public differs (1 file: public/a.css changed (content, 5 → 7 bytes))",
    },
  },
  { name: "another target", options: { target: "notes" }, expected: { [NOTES]: "" } },
  {
    name: "stage renamed",
    edit: ["AS final", "AS last"],
    expected: {},
  },
  {
    name: "no cache",
    options: { noCache: true },
    expected: { [WORKDIR]: "", [PACKAGE]: "", [PUBLIC]: "", [STATIC]: "", [SRC]: "" },
  },
  { name: "no cache for one stage", options: { noCache: ["final"] }, expected: { [STATIC]: "", [SRC]: "" } },
]);

cases("inline files", { dockerfile: STAGES, options: { target: "notes" } }, [
  {
    name: "content",
    edit: ["\none\n", "\ntwo\n"],
    expected: { [NOTES]: "the inline document differs (1 file: EOF changed (content, 4 bytes))" },
  },
]);

const RUN = "RUN --mount=type=cache,target=/cache --mount=type=bind,source=src,target=/src echo $VERSION > /out";
const NEXT = "RUN cat /out > /copy";
const RUNS = `FROM busybox:1
ARG VERSION=1.2
ARG API_TOKEN=first
ARG MIRROR=https://mirror.example/x
ENV MODE=fast
${RUN}
${NEXT}
`;
const FIRST = RUN.replace("$VERSION", "1.2");
const both = (text: string): Case["expected"] => ({ [FIRST]: text, [NEXT]: text });

cases("instructions that run", { dockerfile: RUNS, skip: buildsUnavailable() ?? false }, [
  { name: "nothing", expected: {} },
  {
    name: "build argument",
    options: { buildArgs: { VERSION: "1.3" } },
    expected: { [RUN.replace("$VERSION", "1.3")]: "ARG VERSION: 1.2 → 1.3", [NEXT]: "ARG VERSION: 1.2 → 1.3" },
  },
  {
    name: "build argument that is a credential by its name",
    options: { buildArgs: { API_TOKEN: "second" } },
    expected: both("ARG API_TOKEN changed (value not shown)"),
  },
  {
    name: "build argument that is a credential by its value",
    options: { buildArgs: { MIRROR: "https://user:password@mirror.example/x" } },
    expected: both("ARG MIRROR changed (value not shown)"),
  },
  {
    name: "build argument that is new",
    edit: ["ENV MODE", "ARG EXTRA=1\nENV MODE"],
    expected: both("ARG EXTRA: added 1"),
  },
  {
    name: "build argument that is gone",
    edit: ["ARG MIRROR=https://mirror.example/x\n", ""],
    expected: both("ARG MIRROR: removed (was https://mirror.example/x)"),
  },
  {
    name: "two build arguments",
    options: { buildArgs: { VERSION: "2", API_TOKEN: "x" } },
    expected: {
      [RUN.replace("$VERSION", "2")]: "ARG VERSION: 1.2 → 2; ARG API_TOKEN changed (value not shown)",
      [NEXT]: "ARG VERSION: 1.2 → 2; ARG API_TOKEN changed (value not shown)",
    },
  },
  { name: "variable", edit: ["MODE=fast", "MODE=slow"], expected: both("ENV MODE: fast → slow") },
  { name: "variable that is new", edit: ["MODE=fast", "MODE=fast LEVEL=2"], expected: both("ENV LEVEL: added 2") },
  { name: "variable that is gone", edit: ["ENV MODE=fast\n", ""], expected: both("ENV MODE: removed (was fast)") },
  {
    name: "command",
    edit: ["> /copy", "> /other"],
    expected: { "RUN cat /out > /other": "instruction changed: RUN cat /out > /copy → RUN cat /out > /other" },
  },
  { name: "user", edit: ["ENV MODE", "USER 7\nUSER 0:0\nENV MODE"], expected: both("USER: added 0:0") },
  {
    name: "shell",
    edit: ["ENV MODE", 'SHELL ["/bin/sh", "-ec"]\nENV MODE'],
    expected: both('SHELL: ["/bin/sh","-c"] → ["/bin/sh","-ec"]'),
  },
  {
    name: "network",
    options: { network: "none" },
    expected: both("network: default → none"),
  },
  {
    name: "host name",
    options: { extraHosts: [{ host: "db", ip: "10.0.0.1" }] },
    expected: both("host db: added yes"),
  },
  {
    name: "resource limit",
    options: { ulimits: [{ name: "nofile", soft: 100, hard: 100 }] },
    expected: both("ulimit nofile: added 100:100"),
  },
  {
    name: "shared memory",
    options: { shmSize: 1_000_000 },
    expected: both("mount /dev/shm: added type=tmpfs,size=1000000"),
  },
  {
    name: "bound file",
    change: write("src/lib/util.ts", "changed"),
    expected: both("src/lib/util.ts changed (content, 11 → 7 bytes)"),
  },
  {
    name: "mount",
    edit: ["type=cache,target=/cache", "type=cache,target=/tmp/cache"],
    expected: {
      [FIRST.replace("/cache", "/tmp/cache")]:
        `instruction changed: ${RUN.slice(0, 59)}… → ${RUN.replace("/cache", "/tmp/cache").slice(0, 59)}…`,
      [NEXT]: `instruction changed: ${RUN.slice(0, 59)}… → ${RUN.replace("/cache", "/tmp/cache").slice(0, 59)}…`,
    },
  },
  { name: "no cache", options: { noCache: true }, expected: both("") },
  {
    name: "directive: never",
    edit: [RUN, `# varve: never\n${RUN}`],
    expected: {
      [FIRST]: "never cached (# varve: never)",
      [NEXT]: `[stage-0 2/3] ${FIRST} ran: never cached (# varve: never)`,
    },
  },
  {
    name: "directive: ttl",
    edit: [RUN, `# varve: ttl=1ms\n${RUN}`],
    expected: { [FIRST]: "expired (ttl 1ms)", [NEXT]: `[stage-0 2/3] ${FIRST} ran: expired (ttl 1ms)` },
  },
  {
    name: "directive: a secret",
    edit: [RUN, `# varve: secret=npm\n${RUN}`],
    options: { secrets: [{ id: "npm", source: { value: Buffer.from("hunter2-hunter2") } }] },
    expected: both("secret npm changed (value not shown)"),
  },
  {
    name: "directive: silent",
    edit: [NEXT, `# varve: why=off\n${NEXT}`],
    options: { buildArgs: { VERSION: "3" } },
    expected: { [RUN.replace("$VERSION", "3")]: "ARG VERSION: 1.2 → 3", [NEXT]: "" },
  },
]);

suite("results that are others each time", { skip: buildsUnavailable() ?? false }, () => {
  test("what follows says in which files they differ", async () => {
    await using fixture = await buildFixture();
    const dockerfile = `FROM scratch
COPY busybox /bin/sh
# varve: ttl=1ms
RUN read now rest < /proc/uptime; echo $now > /stamp; echo same > /other
RUN read text < /stamp; echo $text > /copy
`;
    const directory = await fixture.files("project", { Dockerfile: dockerfile });
    cpSync("/bin/busybox", join(directory, "busybox"));
    await fixture.build(directory);
    await sleep(20);
    const { steps } = await fixture.build(directory);
    const [first, second] = steps.slice(-2).map(({ why }) => why?.text ?? "");
    assert.equal(first, "expired (ttl 1ms)");
    assert.match(
      second ?? "",
      /^\[2\/3\] RUN read now .* ran: expired \(ttl 1ms\), and its result differs \(1 file: stamp changed \(content, [\d → ]+ bytes\)\)$/,
    );
  });
});

test("the record of a step has no credential, wherever it was expanded", async () => {
  await using fixture = await buildFixture();
  const dockerfile = "FROM scratch\nARG API_TOKEN\nCOPY --chmod=644 a /$API_TOKEN/a\nCOPY b /b\n";
  const directory = await fixture.files("project", { Dockerfile: dockerfile, a: "a", b: "b" });
  const texts: (string | undefined)[] = [];
  for (const token of ["plaintextone", "plaintexttwo"]) {
    const { steps } = await fixture.build(directory, { buildArgs: { API_TOKEN: token } });
    texts.push(...steps.map(({ why }) => why?.text));
  }
  assert.ok(texts.includes("ARG API_TOKEN changed (value not shown)"), texts.join("\n"));
  assert.doesNotMatch(texts.join("\n"), /plaintext/);
  const rows = fixture.store.state.all<{ facts: Uint8Array }>("SELECT facts FROM explain_step");
  assert.equal(rows.length, 4);
  for (const { facts } of rows) assert.doesNotMatch(inflateRawSync(facts).toString(), /plaintext/);
});

test("another platform", { skip: buildsUnavailable() ?? false }, async () => {
  await using fixture = await buildFixture();
  const dockerfile = "FROM scratch\nCOPY busybox /bin/sh\nRUN echo 1 > /one\n";
  const directory = await fixture.files("project", { Dockerfile: dockerfile });
  cpSync("/bin/busybox", join(directory, "busybox"));
  await fixture.build(directory);
  const { steps } = await fixture.build(directory, { platforms: [{ os: "linux", architecture: "386" }] });
  assert.equal(steps.at(-1)?.why?.text, `platform: ${formatPlatform(hostPlatform())} → linux/386`);
});

suite("sources and lost results", () => {
  const CONTEXT = { Dockerfile: "FROM base:1\nCOPY a /a\nCOPY --from=other:1 /f /g\n", a: "a" };
  const image = async (fixture: BuildFixture, name: string, text: string): Promise<void> => {
    const files = await fixture.files(name, { Dockerfile: "FROM scratch\nCOPY f /f\n", f: text });
    await fixture.build(files, { tags: [`${name}:1`] });
  };
  const told = async (fixture: BuildFixture, directory: string, options?: Partial<BuildOptions>): Promise<string[]> => {
    const { steps } = await fixture.build(directory, options);
    return steps.flatMap(({ status, why }) => (status === "run" && why !== undefined ? [why.text] : []));
  };

  test("a base image that moved, and an image that files are copied from", async () => {
    await using fixture = await buildFixture();
    await image(fixture, "base", "1");
    await image(fixture, "other", "1");
    const directory = await fixture.files("project", CONTEXT);
    assert.deepEqual(await told(fixture, directory), ["", ""]);
    await image(fixture, "base", "22");
    const [first = "", second = ""] = await told(fixture, directory);
    assert.match(first, /^base image base:1 moved: sha256:[0-9a-f]{12}… → sha256:[0-9a-f]{12}…$/);
    assert.equal(second, first);
    await image(fixture, "other", "333");
    const [third = ""] = await told(fixture, directory);
    assert.match(third, /^base image other:1 moved: sha256:[0-9a-f]{12}… → sha256:[0-9a-f]{12}…$/);
  });

  test("results that were pruned", async () => {
    await using fixture = await buildFixture();
    await image(fixture, "base", "1");
    await image(fixture, "other", "1");
    const directory = await fixture.files("project", CONTEXT);
    await fixture.build(directory, { outputs: [{ type: "cacheonly" }] });
    await prune(fixture.store, { all: true });
    const gone = "its result was removed from the cache";
    assert.deepEqual(await told(fixture, directory), [gone, gone]);
  });

  test("a download that changed", async () => {
    await using fixture = await buildFixture();
    let body = "one";
    await using server = await serve(() => body);
    const directory = await fixture.files("project", { Dockerfile: `FROM scratch\nADD ${server.url}/f /f\n` });
    assert.deepEqual(await told(fixture, directory), [""]);
    body = "three";
    const [text = ""] = await told(fixture, directory);
    assert.match(text, /f changed \(content, 3 → 5 bytes\)|moved: sha256:/);
  });

  test("a repository that moved says from which commit to which", { skip: gitMissing() ?? false }, async () => {
    await using fixture = await buildFixture();
    await using server = await startGitServer();
    const tree = server.create("repo");
    const commit = (text: string): string => {
      writeFileSync(join(tree, "f"), text);
      server.git("repo.git", "add", ".");
      server.git("repo.git", "commit", "-q", "-m", text);
      return server.git("repo.git", "rev-parse", "HEAD").slice(0, 12);
    };
    const [url, before] = [`${server.url}/repo.git`, commit("one")];
    const directory = await fixture.files("project", { Dockerfile: `FROM scratch\nADD ${url}#main /src\n` });
    assert.deepEqual(await told(fixture, directory), [""]);
    const moved = `${before}… → ${commit("three")}…`;
    const [text = ""] = await told(fixture, directory);
    assert.ok(text.startsWith("repository ") && text.endsWith(` moved: ${moved}`), text);
  });

  test("another project in the same store, and the same project in another directory", async () => {
    await using fixture = await buildFixture();
    const dockerfile = "FROM scratch\nCOPY . /app\n";
    const files = { ".dockerignore": "Dockerfile\n.dockerignore\n", a: "a", b: "b", c: "c", d: "d" };
    await fixture.build(await fixture.files("one", { Dockerfile: dockerfile, ...files }));
    const other = await fixture.files("two", { Dockerfile: dockerfile, ".dockerignore": "*\n!x\n", x: "x" });
    assert.deepEqual(await told(fixture, other), [""]);
    const copy = await fixture.files("three", { Dockerfile: dockerfile, ...files, d: "changed" });
    assert.deepEqual(await told(fixture, copy), ["d changed (content, 1 → 7 bytes)"]);
  });
});

async function serve(body: () => string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_request, response) => response.end(body()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
