import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import * as fc from "fast-check";
import { type BuildFixture, buildFixture, tracedOutcomes } from "../../../testing/builds.ts";
import { fillRootfs } from "../../../testing/rootfs.ts";
import { generatedRuns } from "../../../testing/sampled.ts";
import { buildsUnavailable } from "../../../testing/varve.ts";
import type { TracedSetting } from "../../core/index.ts";
import type { BuildOptions } from "../options/options.ts";
import { plan } from "../plan/plan.ts";

suite("traced steps", { skip: buildsUnavailable() ?? false }, () => {
  let fixture: BuildFixture;

  before(async () => {
    fixture = await buildFixture();
    const base = await fixture.files("base", { Dockerfile: "FROM scratch\nCOPY root /\n" });
    mkdirSync(join(base, "root"));
    fillRootfs(join(base, "root"));
    await fixture.build(base, { tags: ["base:1"] });
  });
  after(async () => await fixture[Symbol.asyncDispose]());

  /** Builds, and returns what is said of each RUN step, in the order of the Dockerfile: its status, and what tracing says. */
  async function told(directory: string, options: Partial<BuildOptions> = {}): Promise<string[]> {
    const result = await fixture.build(directory, options);
    return tracedOutcomes(result);
  }

  const DOCKERFILE = `FROM base:1
WORKDIR /app
COPY . .
RUN cat src/main > out; mkdir made; cp src/lib made/
RUN ls docs > list; chmod 700 tool
`;

  let serial = 0;

  /** Writes a project whose steps no other test has run. */
  const project = async (text: string): Promise<string> => {
    const dockerfile = text.replaceAll(/^FROM .*$/gm, (from) => `${from}\nENV SERIAL=${(serial += 1)}`);
    rmSync(join(fixture.folder, "project"), { recursive: true, force: true });
    const directory = await fixture.files("project", {
      Dockerfile: dockerfile,
      ".dockerignore": "Dockerfile\n.dockerignore\n",
      "src/main": "main\n",
      "src/lib": "lib\n",
      "docs/one": "one\n",
      README: "read me\n",
      tool: "tool\n",
    });
    symlinkSync("src/main", join(directory, "link"));
    return directory;
  };

  const HIT = "hit: hit (traced): 1 file changed since, none that the step reads";
  /** The layer of the step before has changed too. */
  const HIT_AFTER = HIT.replace("1 file", "2 files");
  const write = (path: string, text: string) => (directory: string) => writeFileSync(join(directory, path), text);
  const cases: readonly [name: string, change: (directory: string) => void, expected: readonly [string, string]][] = [
    ["a file that nobody reads", write("README", "other\n"), [HIT, HIT]],
    [
      "one that a step reads",
      write("src/main", "other\n"),
      ["run: traced: /app/src/main changed, which the step reads", HIT_AFTER],
    ],
    ["one in a directory that is listed", write("docs/one", "other\n"), [HIT, HIT]],
    [
      "one whose mode a step changes",
      write("tool", "other\n"),
      [HIT, "run: traced: /app/tool changed, which the step changes"],
    ],
    [
      "a new file",
      write("docs/two", ""),
      ["run: traced: /app/docs/two was added", "run: traced: /app/docs/two was added"],
    ],
    [
      "a removed file",
      (directory) => rmSync(join(directory, "README")),
      ["run: traced: /app/README was removed", "run: traced: /app/README was removed"],
    ],
    [
      "another mode",
      (directory) => chmodSync(join(directory, "README"), 0o600),
      [
        "run: traced: /app/README has another mode, owner or target",
        "run: traced: /app/README has another mode, owner or target",
      ],
    ],
    [
      "another target of a link",
      (directory) => {
        rmSync(join(directory, "link"));
        symlinkSync("src/lib", join(directory, "link"));
      },
      [
        "run: traced: /app/link has another mode, owner or target",
        "run: traced: /app/link has another mode, owner or target",
      ],
    ],
    [
      "another type",
      (directory) => {
        rmSync(join(directory, "README"));
        mkdirSync(join(directory, "README"));
      },
      ["run: traced: /app/README has another type", "run: traced: /app/README has another type"],
    ],
  ];

  for (const [name, change, expected] of cases)
    test(`${name} has changed`, async () => {
      const directory = await project(DOCKERFILE);
      await told(directory, { traced: "contents" });
      change(directory);
      // A directory cannot be copied onto a file, not even in a description.
      const isOdd = name === "another type";
      assert.deepEqual(await planned(directory), isOdd ? ["unknown", "unknown"] : foreseen(expected));
      assert.deepEqual(await told(directory, { traced: "contents" }), expected);
    });

  test("a hit has the files of the new input and those of the step, also for the steps that follow", async () => {
    const directory = await project(`${DOCKERFILE}RUN cat README out > both\n`);
    await told(directory, { traced: "contents" });
    writeFileSync(join(directory, "README"), "new\n");
    const dest = join(fixture.folder, "dest");
    const output = { type: "local", dest } as const;
    const [first, second] = await told(directory, { traced: "contents", outputs: [output] });
    assert.deepEqual([first, second], [HIT, HIT]);
    const read = (path: string): string => readFileSync(join(dest, "app", path), "utf8");
    assert.deepEqual(["README", "out", "both", "made/lib"].map(read), ["new\n", "main\n", "new\nmain\n", "lib\n"]);
    assert.deepEqual(await told(directory), ["hit", "hit", "hit"]);
  });

  test("the directive traces one step; --no-cache and an old result run it", async () => {
    const directory = await project(
      `${DOCKERFILE.replace("RUN ls", "# varve: traced ttl=1h\nRUN ls")}# varve: never traced\nRUN true\n`,
    );
    assert.deepEqual(await told(directory), ["run", "run", "run"]);
    writeFileSync(join(directory, "README"), "1\n");
    assert.deepEqual(await told(directory), ["run", HIT, "run"]);
    writeFileSync(join(directory, "README"), "2\n");
    assert.deepEqual(await told(directory, { noCache: true }), ["run", "run", "run"]);
    fixture.store.state.run("UPDATE traced_step SET made_at = made_at - 3600000");
    writeFileSync(join(directory, "README"), "3\n");
    assert.deepEqual(await told(directory), ["run", "run", "run"]);
  });

  /** Returns what a plan says of each RUN step: what it would do, and the cache or the reason. */
  async function planned(directory: string, traced: TracedSetting | undefined = "contents"): Promise<string[]> {
    const context = { kind: "directory", path: directory } as const;
    const { steps } = await plan({ store: { root: fixture.store.root }, context, traced });
    return steps
      .filter(({ name }) => name.includes("] RUN "))
      .map(({ outcome }) => {
        if (outcome.kind === "hit") return `hit: ${outcome.cache}`;
        return outcome.kind === "miss" ? `miss: ${outcome.text}` : outcome.kind;
      });
  }

  /** Returns what a plan says of steps of which a build says this. */
  function foreseen([first = "", second = ""]: readonly string[]): string[] {
    const of = (line: string): string => (line.startsWith("hit") ? "hit: traced" : line.replace("run:", "miss:"));
    return [of(first), first.startsWith("hit") ? of(second) : "unknown"];
  }

  test("a plan knows earlier runs, and changes nothing", async () => {
    const directory = await project(DOCKERFILE);
    for (const line of await planned(directory)) assert.match(line, /^miss: (?!traced)/);
    await told(directory, { traced: "contents" });
    assert.deepEqual(await planned(directory), ["hit: local", "hit: local"]);
    writeFileSync(join(directory, "README"), "planned\n");
    const rows = (): unknown => fixture.store.state.all("SELECT op, input, result FROM traced_step");
    const known = rows();
    assert.deepEqual(await planned(directory), ["hit: traced", "hit: traced"]);
    assert.deepEqual(rows(), known);
  });

  test("a list of files that cannot be read is made again, and a lost layer is a run", async () => {
    const directory = await project(DOCKERFILE);
    await told(directory, { traced: "contents" });
    writeFileSync(join(directory, "README"), "damaged\n");
    fixture.store.state.run("UPDATE traced_layer SET entries = x'00'");
    assert.deepEqual(await told(directory, { traced: "contents" }), [HIT, HIT]);
    fixture.store.state.run("UPDATE traced_step SET result = 'lost', accesses = x'00'");
    writeFileSync(join(directory, "README"), "lost\n");
    assert.deepEqual(await told(directory, { traced: "contents" }), ["run", "run"]);
  });

  test("what cannot be traced runs, and says why once", async () => {
    const directory = await project("FROM base:1\nCOPY . /app\nRUN --security=insecure true\n");
    const options = { traced: "contents", allow: ["security.insecure"] } as const;
    const why = "run: not traced: with security=insecure it can mount what is not seen";
    assert.deepEqual(await told(directory, options), [why]);
  });

  test("mounts that are no part of keys are none of what a step reads", async () => {
    const mounts = ["cache,target=/cache", "secret,id=none,target=/none", "tmpfs,target=/tmp"];
    const flags = mounts.map((mount) => `--mount=type=${mount}`).join(" ");
    const directory = await project(`FROM base:1\nCOPY . /app\nRUN ${flags} cat /app/tool; date > /cache/date\n`);
    await told(directory, { traced: "contents" });
    writeFileSync(join(directory, "README"), "mounts\n");
    assert.deepEqual(await told(directory, { traced: "contents" }), [HIT]);
  });

  /** Returns a Dockerfile with a stage for each RUN step, from an image with a link `/alias`. */
  const stagesOf = (steps: readonly string[]): string => {
    const stages = steps.map((step, at) => `FROM linked AS s${at}\nRUN ${step}\n`);
    const copies = steps.map((_, at) => `COPY --from=s${at} /bin/sh /${at}\n`);
    const files = "FROM scratch AS files\nCOPY . /\n";
    return `${files}FROM base:1 AS linked\nCOPY --from=files links /\n${stages.join("")}FROM scratch\n${copies.join("")}`;
  };

  const MOUNTED = {
    "the whole context": "--mount=type=bind,source=.,target=/context cat /context/src/lib",
    "written to":
      "--mount=type=bind,source=src,target=/in,rw cat /in/lib; chmod 600 /in/main; rm -r /in/deep; mkdir /in/deep",
    "one file": "--mount=type=bind,source=src/main,target=/in/main cat /in/main",
    "of a stage, by links": "--mount=type=bind,from=files,source=/linked,target=/alias/in cat /alias/in/lib",
    "in another one":
      "--mount=type=bind,source=.,target=/c --mount=type=bind,source=docs,target=/c/src cat /c/src/one /c/tool",
  } as const;

  type Mounted = keyof typeof MOUNTED;

  /** Returns what is said, without repetitions, and without the number of files: there may be several runs to compare with. */
  const said = (line: string): string =>
    [...new Set(line.split(/(?<=^(?:hit|run)): |: (?=traced:)/))].join(": ").replace(/ \d+ files? /, " 1 file ");

  test("of a bind mount too, only what a step reads counts", async () => {
    const names = Object.keys(MOUNTED) as Mounted[];
    const directory = await project(stagesOf(Object.values(MOUNTED)));
    mkdirSync(join(directory, "links"));
    symlinkSync("home", join(directory, "links/alias"));
    symlinkSync("src", join(directory, "linked"));
    mkdirSync(join(directory, "src/deep"));
    writeFileSync(join(directory, "src/deep/file"), "deep\n");
    const traced = "contents";
    for (const line of await told(directory, { traced })) assert.equal(line, "run");
    const check = async (path: string, expected: Readonly<Partial<Record<Mounted, string>>>): Promise<void> => {
      writeFileSync(join(directory, path), `${path} has changed\n`);
      assert.deepEqual(
        (await told(directory, { traced })).map(said),
        names.map((name) => expected[name] ?? "hit"),
        path,
      );
    };
    const read = (path: string, mount: string): string =>
      `run: traced: ${path} in the mount ${mount} changed, which the step reads`;
    const written = (path: string): string => `run: traced: ${path} in the mount /in changed, which the step changes`;
    await check("README", { "the whole context": HIT, "in another one": HIT });
    await check("src/lib", {
      "the whole context": read("src/lib", "/context"),
      "written to": read("lib", "/in"),
      "of a stage, by links": read("lib", "/alias/in"),
      "in another one": HIT,
    });
    await check("src/main", {
      "the whole context": HIT,
      "written to": written("main"),
      "one file": "run: traced: the mount /in/main changed, which the step reads",
      "of a stage, by links": HIT,
      "in another one": HIT,
    });
    await check("src/deep/file", {
      "the whole context": HIT,
      "written to": written("deep/file"),
      "of a stage, by links": HIT,
      "in another one": HIT,
    });
    await check("docs/one", {
      "the whole context": HIT,
      "in another one": "run: traced: one in the mount /c/src changed, which the step reads",
    });
    await check("docs/new", {
      "the whole context": "run: traced: docs/new in the mount /context was added",
      "in another one": "run: traced: docs/new in the mount /c was added",
    });
  });

  test("bind mounts count as a whole where it is not known what a step opens in them", async () => {
    const mounts = Array.from({ length: 17 }, (_, at) => `--mount=type=bind,source=src,target=/${at}`).join(" ");
    const directory = await project(`FROM base:1\nCOPY README /\nRUN ${mounts} cat /1/lib\n`);
    const traced = "contents";
    const why = "traced: bind mounts count as a whole: there are too many";
    assert.deepEqual(await told(directory, { traced }), [`run: ${why}`]);
    writeFileSync(join(directory, "README"), "other\n");
    assert.deepEqual(await told(directory, { traced }), [HIT]);
    writeFileSync(join(directory, "src/main"), "other\n");
    writeFileSync(join(directory, "README"), "third\n");
    assert.deepEqual(await told(directory, { traced }), [`run: ${why}`]);
  });

  test("loose: new files where a step was not are no difference", async () => {
    const directory = await project("FROM base:1\nWORKDIR /app\nCOPY . .\nRUN cat src/main\nRUN cat docs/*\n");
    await told(directory, { traced: "loose" });
    writeFileSync(join(directory, "docs/two"), "two\n");
    assert.deepEqual(await told(directory, { traced: "loose" }), [HIT, "run: traced: /app/docs/two was added"]);
  });

  test("verify finds a step that makes other files of the same ones, and does not trust it any more", async () => {
    const directory = await project("FROM base:1\nCOPY . /app\nRUN stat -c %s /app/README > /size\n");
    await told(directory, { traced: "verify" });
    writeFileSync(join(directory, "README"), "longer than before\n");
    const [line = ""] = await told(directory, { traced: "verify" });
    assert.match(line, /^run: The step is not traced any more: a run that read the same files made others: \/size$/);
    writeFileSync(join(directory, "README"), "short\n");
    assert.deepEqual(await told(directory, { traced: "contents" }), ["run"]);
  });

  const FILES = ["a", "b", "d/a", "d/b", "d/e/c", "x"] as const;
  const DIRECTORIES = [".", "d", "d/e"] as const;
  const file = fc.constantFrom(...FILES, "link", "new", "d/new");
  const directory = fc.constantFrom(...DIRECTORIES);
  /** Commands whose output and files follow from what they read, and not from times or from sizes of files that they do not open. */
  const command = fc.oneof(
    { weight: 4, arbitrary: file.map((path) => `cat ${path}`) },
    file.map((path) => `sh ./${path}`),
    file.map((path) => `./${path}`),
    directory.map((path) => `ls ${path}`),
    directory.map((path) => `find ${path} | sort`),
    directory.map((path) => `cat ${path}/*`),
    directory.map((path) => `grep -r 1 ${path}`),
    file.map((path) => `[ -e ${path} ] && echo there`),
    file.map((path) => `stat -c '%a %u %F' ${path}`),
    file.map((path) => `readlink ${path}`),
    file.map((path) => `rm -f ${path}`),
    fc.constant("rm -rf d/e"),
    fc.tuple(file, file).map(([from, to]) => `cp ${from} ${to}`),
    fc.tuple(file, file).map(([from, to]) => `mv ${from} ${to}`),
    fc.tuple(file, file).map(([from, to]) => `ln -f ${from} ${to}`),
    fc.constantFrom("mv d moved", "cp -r d copied", "mv d/e e", "mkdir -p d/f", "ln -sf d/a link"),
    file.map((path) => `chmod 711 ${path}`),
    file.map((path) => `echo written > ${path}`),
    file.map((path) => `echo more >> ${path}`),
    file.map((path) => `touch ${path}`),
  );
  const mountedCommand = fc.oneof(
    { weight: 4, arbitrary: command },
    fc.tuple(file, file).map(([from, to]) => `cp /m/${from} ${to}`),
    fc.tuple(file, file).map(([from, to]) => `mv /m/${from} ${to}`),
    fc.tuple(file, file).map(([from, to]) => `cp ${from} /m/${to}`),
    fc.tuple(file, file).map(([from, to]) => `mv /m/${from} /m/${to}`),
    file.map((path) => `cat /m/${path}`),
    file.map((path) => `[ -e /m/${path} ] && rm -r /m/d`),
    fc.constantFrom("cat /m/*", "mv /m/d /m/moved", "mv d /m/moved; cat /m/moved/*", "cp -r /m moved; cat moved/*"),
  );

  /** Where a program runs: `/w`. */
  const PLACES = {
    root: { copies: true, mounts: "" },
    context: { copies: false, mounts: "--mount=type=bind,target=/w" },
    "context, written to": { copies: false, mounts: "--mount=type=bind,target=/w,rw" },
    "part of a stage": { copies: false, mounts: "--mount=type=bind,from=tree,source=/linked,target=/w,rw" },
    "root with a context": { copies: true, mounts: "--mount=type=bind,target=/m,rw" },
    "context with a stage": {
      copies: false,
      mounts: "--mount=type=bind,target=/w,rw --mount=type=bind,from=tree,source=/t,target=/m",
    },
  } as const;
  type Place = keyof typeof PLACES;
  type Program = readonly [place: Place, commands: readonly string[]];

  const program = fc
    .constantFrom<Place>("root", "root", "root", ...(Object.keys(PLACES) as Place[]))
    .chain((place): fc.Arbitrary<Program> => {
      const any = place.includes("with") ? mountedCommand : command;
      return fc.array(any, { minLength: 1, maxLength: 4 }).map((commands) => [place, commands]);
    });

  type Change = (root: string) => void;
  const content = fc.tuple(fc.constantFrom(...FILES), fc.nat(99)).map(([path, text]): Change => (root) => {
    if (existsSync(join(root, path)) && lstatSync(join(root, path)).isFile())
      writeFileSync(join(root, path), `echo ${text}\n`);
  });
  const shape = fc.oneof(
    fc.constantFrom("new", "d/new", "d/e/new").map(
      (path): Change =>
        (root) =>
          writeFileSync(join(root, path), "new\n"),
    ),
    fc.constantFrom(...FILES).map(
      (path): Change =>
        (root) =>
          rmSync(join(root, path), { recursive: true, force: true }),
    ),
    fc.constantFrom(...FILES, "d").map((path): Change => (root) => {
      if (existsSync(join(root, path))) chmodSync(join(root, path), 0o750);
    }),
    fc.constantFrom("b", "d", "nowhere").map((target): Change => (root) => {
      rmSync(join(root, "link"), { recursive: true, force: true });
      symlinkSync(target, join(root, "link"));
    }),
    fc.constantFrom(["d/a", "d/z"], ["b", "d/e/b"]).map(([from = "", to = ""]): Change => (root) => {
      if (existsSync(join(root, from)) && existsSync(join(root, "d/e"))) renameSync(join(root, from), join(root, to));
    }),
    fc.constantFrom("b", "d/e/c").map((path): Change => (root) => {
      rmSync(join(root, path), { recursive: true, force: true });
      mkdirSync(join(root, path), { recursive: true });
    }),
  );
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.array(content, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.tuple(shape, content).map((both): Change[] => both) },
  );

  const STAGES = 3;
  const CHANGES = 3;

  /** Steps that the first change forgives and one that it doesn't, so that even one run has both outcomes. */
  const CERTAIN_PROGRAMS: readonly Program[] = [
    ["root", ["cat a"]],
    ["root", ["cat b"]],
    ["context", ["cat a"]],
    ["part of a stage", ["cat a"]],
  ];
  const certainChange: Change = (root) => writeFileSync(join(root, "b"), "echo certain\n");

  /**
   * Writes a project with one stage for each program. What they have printed is in the image.
   *
   * @param options `first` comes first in each stage; `more` are further paths of the stages that are in the image.
   */
  async function generatedProject(
    programs: readonly Program[],
    { first = "", more = "" }: { readonly first?: string; readonly more?: string } = {},
  ): Promise<string> {
    const stages = programs.map(([place, commands], at) => {
      const { copies, mounts } = PLACES[place];
      const files = `${first}WORKDIR /w\n${copies ? "COPY . .\n" : ""}`;
      return `FROM base:1 AS s${at}\n${files}RUN ${mounts} touch /out; { ${commands.join("; ")}; } > /out 2>&1; true\n`;
    });
    const tree = "FROM base:1 AS tree\nCOPY . /t\nRUN ln -s t /linked\n";
    const last = programs.map((_, at) => `COPY --from=s${at} /out ${more} /${at}/\n`).join("");
    rmSync(join(fixture.folder, "generated"), { recursive: true, force: true });
    const root = await fixture.files("generated", {
      Dockerfile: `${tree}${stages.join("")}FROM scratch\n${last}`,
      ".dockerignore": "Dockerfile\n.dockerignore\n",
      ...Object.fromEntries(FILES.map((path) => [path, "echo 0\n"])),
    });
    chmodSync(join(root, "x"), 0o755);
    symlinkSync("a", join(root, "link"));
    return root;
  }

  test("a generated step that is recalled has the same layer as one that runs", async (t) => {
    const outcomes = { verified: 0, missed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(program, { minLength: STAGES, maxLength: STAGES }),
        fc.array(change, { minLength: CHANGES, maxLength: CHANGES }),
        async (generated, changes) => {
          const programs = [...CERTAIN_PROGRAMS, ...generated];
          const root = await generatedProject(programs);
          await told(root, { traced: "verify" });
          for (const each of [[certainChange], ...changes]) {
            for (const one of each) one(root);
            for (const line of await told(root, { traced: "verify" })) {
              assert.doesNotMatch(line, /not traced any more/, JSON.stringify(programs));
              if (line.includes("verified")) outcomes.verified += 1;
              if (line.includes(": traced:")) outcomes.missed += 1;
            }
          }
        },
      ),
      { numRuns: generatedRuns(1, 280), endOnFailure: true },
    );
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.verified > 0 && outcomes.missed > 0, JSON.stringify(outcomes));
  });

  /** Builds, and returns how many steps were recalled, and what each program has printed and left. */
  async function filesOfPrograms(
    root: string,
    count: number,
    options: Partial<BuildOptions>,
  ): Promise<{ readonly hits: number; readonly files: readonly string[] }> {
    const dest = join(fixture.folder, "exported");
    rmSync(dest, { recursive: true, force: true });
    const lines = await told(root, { ...options, outputs: [{ type: "local", dest }] });
    const files = Array.from({ length: count }, (_, at) =>
      execFileSync("sh", ["-c", "find . -printf '%P %M %l\\n' -type f -exec cat {} + | sort"], {
        cwd: join(dest, String(at)),
        encoding: "utf8",
      }),
    );
    return { hits: lines.filter((line) => line.includes("hit (traced)")).length, files };
  }

  const pathsIn = (root: string): Set<string> => new Set(readdirSync(root, { recursive: true, encoding: "utf8" }));

  test("loose: a generated step that is recalled differs only after something was added", async (t) => {
    const outcomes = { hits: 0, bets: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(program, { minLength: STAGES, maxLength: STAGES }),
        fc.array(change, { minLength: 1, maxLength: 1 }),
        async (generated, changes) => {
          const programs = [...CERTAIN_PROGRAMS, ...generated];
          // Runs for earlier programs do not count: what was added since is not known.
          const first = `ENV SERIAL=${(serial += 1)}\n`;
          const root = await generatedProject(programs, { first, more: "/w" });
          await told(root, { traced: "loose" });
          const always = pathsIn(root);
          for (const each of [[certainChange], ...changes]) {
            for (const one of each) one(root);
            const loose = await filesOfPrograms(root, programs.length, { traced: "loose" });
            const run = await filesOfPrograms(root, programs.length, { noCache: true });
            const differing = programs.filter((_, at) => loose.files[at] !== run.files[at]);
            const now = pathsIn(root);
            const added = [...now].filter((path) => !always.has(path));
            assert.ok(differing.length === 0 || added.length > 0, JSON.stringify(differing));
            outcomes.hits += loose.hits;
            outcomes.bets += differing.length;
            for (const path of always) if (!now.has(path)) always.delete(path);
          }
        },
      ),
      { numRuns: generatedRuns(1, 120), endOnFailure: true },
    );
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.hits > 0 && outcomes.bets <= outcomes.hits, JSON.stringify(outcomes));
  });
});
