import assert from "node:assert/strict";
import { lstat, readFile, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { filesOfTar } from "../../testing/made.ts";
import { Varve, sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

describe("what comes out", { skip }, () => {
  test("directories, tars, archives and layouts of the same result", async () => {
    const folder = await varve.context("all", `FROM scratch\nCOPY f /d/f\n`, { f: "f" });
    const at = join(varve.folder, "all-out");
    const outputs = [at, `type=tar,dest=${at}.tar`, `type=oci,dest=${at}.oci.tar`, `type=docker,dest=${at}.docker.tar`];
    const built = await varve.build([...outputs.flatMap((each) => ["-o", each]), "-t", "varve.test/all:1", folder]);
    assert.equal(await readFile(join(at, "d/f"), "utf8"), "f");
    assert.equal((await filesOfTar(`${at}.tar`)).get("d/f")?.text, "f");
    const oci = await filesOfTar(`${at}.oci.tar`);
    const index = JSON.parse(oci.get("index.json")?.text ?? "") as {
      manifests: { digest: string; annotations: object }[];
    };
    assert.equal(index.manifests[0]?.digest, built.metadata["containerimage.digest"]);
    const docker = await filesOfTar(`${at}.docker.tar`);
    const [entry] = JSON.parse(docker.get("manifest.json")?.text ?? "") as { RepoTags: string[]; Layers: string[] }[];
    assert.deepEqual(entry?.RepoTags, ["varve.test/all:1"]);
    assert.ok(docker.has(entry?.Layers[0] ?? ""));
    const piped = await varve.run(["build", "-q", "-o", "-", folder]);
    assert.equal(piped.code, 0);
    assert.match(piped.stdout, /ustar/);
  });

  test("files that say what was built", async () => {
    const folder = await varve.context("said", "FROM scratch\nCOPY f /f\n", { f: "f" });
    const iid = join(varve.folder, "iid");
    const built = await varve.build(["--iidfile", iid, "-t", "varve.test/said", folder]);
    assert.equal(await readFile(iid, "utf8"), built.metadata["containerimage.config.digest"]);
    assert.equal(built.metadata["image.name"], "varve.test/said:latest");
    const descriptor = built.metadata["containerimage.descriptor"] as { digest: string; size: number };
    assert.equal(descriptor.digest, built.metadata["containerimage.digest"]);
    const quiet = await varve.run(["build", "-q", folder]);
    assert.equal(quiet.stdout, `${await readFile(iid, "utf8")}\n`);
    assert.equal(quiet.stderr, "");
  });

  test("files that say what was built go through devices and links", async () => {
    const folder = await varve.context("through", "FROM scratch\nCOPY f /f\n", { f: "f" });
    const at = await varve.files("through-out", { file: "old" });
    await sh("mknod", join(at, "null"), "c", "1", "3");
    await symlink("file", join(at, "link"));
    const tar = join(at, "null");
    const built = await varve.run([
      "build",
      "--metadata-file",
      tar,
      "--iidfile",
      join(at, "link"),
      "-t",
      "through",
      folder,
    ]);
    assert.equal(built.code, 0, built.stderr);
    for (const args of [
      ["build", "-o", `type=docker,dest=${tar}`, folder],
      ["save", "-o", tar, "through"],
    ])
      assert.equal((await varve.run(args)).code, 0);
    assert.ok((await lstat(tar)).isCharacterDevice());
    assert.ok((await lstat(join(at, "link"))).isSymbolicLink());
    assert.match(await readFile(join(at, "file"), "utf8"), /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual((await readdir(at)).toSorted(), ["file", "link", "null"]);
  });

  test("an output that cannot be made fails at once", async () => {
    const folder = await varve.context("unmakeable", "FROM scratch\nCOPY f /f\n", { f: "f" });
    for (const output of [
      "type=local,dest=/proc/self/x",
      "type=oci,tar=false,dest=/proc/self/x/y",
      "type=oci,dest=/proc/x/y",
    ]) {
      const built = await varve.run(["build", "-o", output, folder]);
      assert.deepEqual([built.code, /Cannot write \/proc/.test(built.stderr)], [5, true], built.stderr);
    }
    for (const [more, code] of [
      ["", 0],
      [",ignore-error=false", 5],
    ] as const) {
      const cached = await varve.run(["build", "--cache-to", `type=local,dest=/proc/self/x${more}`, folder]);
      const isSaid = /Cannot write the cache to \/proc/.test(cached.stderr);
      assert.deepEqual([cached.code, isSaid], [code, true], cached.stderr);
    }
  });

  test("the target, and nothing it does not need", async () => {
    const folder = await varve.context(
      "target",
      `FROM ${base} AS needed
RUN echo needed > /needed
FROM ${base} AS broken
RUN exit 9
FROM scratch AS wanted
COPY --from=needed /needed /
FROM broken
RUN echo never
`,
    );
    const made = await varve.make(["--target", "wanted", folder]);
    assert.deepEqual([...made.files.keys()], ["needed"]);
    assert.ok(!made.steps.some((step) => /exit 9|never/.test(step.name)));
    assert.equal((await varve.tryBuild([folder])).code, 1);
  });

  test("the same bytes from the same sources, in another root, at another time", async () => {
    const dockerfile = `FROM ${base}
ARG SOURCE_DATE_EPOCH
COPY tree /tree
RUN echo "$SOURCE_DATE_EPOCH" > /epoch && mkdir /made && date > /dev/null
`;
    const folder = await varve.context("epoch", dockerfile, { "tree/a": "a", "tree/b/c": "c" });
    const digest = async (builder: Varve): Promise<string> => {
      const at = join(builder.folder, "epoch-layout");
      const output = `type=oci,tar=false,dest=${at},rewrite-timestamp=true`;
      const built = await builder.build(["--build-arg", "SOURCE_DATE_EPOCH=1700000000", "-o", output, folder]);
      return String(built.metadata["containerimage.digest"]);
    };
    // The base is the same in both: another root gets it as an archive.
    const archive = join(varve.folder, "base.tar");
    assert.equal((await varve.run(["save", "-o", archive, base])).code, 0);
    await using other = await Varve.open();
    assert.equal((await other.run(["load", "-i", archive])).code, 0);
    await sh("touch", join(folder, "tree/a"), join(folder, "tree/b/c"), join(folder, "tree/b"));
    const [first, second] = [await digest(varve), await digest(other)];
    assert.equal(first, second);
  });

  test("compressions, annotations, media types", async () => {
    const folder = await varve.context("variants", "FROM scratch\nCOPY f /f\n", { f: "f".repeat(1000) });
    const at = join(varve.folder, "variants-out");
    const manifest = async (
      name: string,
      ...args: string[]
    ): Promise<{ layers: { mediaType: string }[]; config: { mediaType: string }; annotations?: object }> => {
      await varve.build([...args, folder]);
      const { manifests } = JSON.parse(await readFile(join(`${at}-${name}`, "index.json"), "utf8")) as {
        manifests: { digest: string }[];
      };
      const [algorithm = "", hex = ""] = manifests[0]?.digest.split(":") ?? [];
      return JSON.parse(await readFile(join(`${at}-${name}`, "blobs", algorithm, hex), "utf8")) as never;
    };
    const output = (name: string, attrs: string): string[] => ["-o", `type=oci,tar=false,dest=${at}-${name}${attrs}`];
    const layer = async (name: string, attrs: string, ...args: string[]): Promise<string | undefined> =>
      (await manifest(name, ...output(name, attrs), ...args)).layers[0]?.mediaType;
    assert.match((await layer("gzip", "")) ?? "", /tar\+gzip$/);
    assert.match((await layer("zstd", ",compression=zstd,force-compression=true")) ?? "", /tar\+zstd$/);
    assert.match((await layer("plain", ",compression=uncompressed,force-compression=true")) ?? "", /tar$/);
    assert.match(
      (await layer("docker", ",oci-mediatypes=false")) ?? "",
      /vnd\.docker\.image\.rootfs\.diff\.tar\.gzip$/,
    );
    const annotated = await manifest("annotated", ...output("annotated", ""), "--annotation", "who=me");
    assert.deepEqual(annotated.annotations, { who: "me" });
  });

  test("several platforms in one index", async () => {
    const folder = await varve.context("platforms", "FROM scratch\nARG TARGETARCH\nCOPY f /f-$TARGETARCH\n", {
      f: "f",
    });
    const at = join(varve.folder, "platforms-out");
    await varve.build([
      "--platform",
      "linux/amd64,linux/arm64",
      "-o",
      at,
      "-o",
      `type=oci,tar=false,dest=${at}-oci`,
      "-t",
      "varve.test/multi",
      folder,
    ]);
    assert.deepEqual((await readdir(at)).toSorted(), ["linux_amd64", "linux_arm64"]);
    assert.ok((await lstat(join(at, "linux_arm64/f-arm64"))).isFile());
    const { manifests } = JSON.parse(await readFile(join(`${at}-oci`, "index.json"), "utf8")) as {
      manifests: { mediaType: string }[];
    };
    assert.match(manifests[0]?.mediaType ?? "", /index/);
  });

  test("build arguments that are options", async () => {
    const folder = await varve.context("arguments", `FROM ${base}\nRUN hostname > /h\nCMD x\n`);
    const at = join(varve.folder, "arguments-out");
    const values = {
      BUILDKIT_SANDBOX_HOSTNAME: "box",
      BUILDKIT_MULTI_PLATFORM: "1",
      BUILDKIT_INLINE_CACHE: "1",
      BUILDKIT_DOCKERFILE_CHECK: "skip=all",
      BUILDKIT_NOTHING: "1",
    };
    const { stderr } = await varve.build([
      ...Object.entries(values).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
      "-o",
      `type=oci,tar=false,dest=${at}`,
      "-o",
      `type=local,dest=${at}-files`,
      folder,
    ]);
    assert.match(stderr, /Build argument BUILDKIT_NOTHING is unknown/);
    assert.doesNotMatch(stderr, /JSONArgsRecommended/);
    assert.equal(await readFile(join(`${at}-files`, "linux_amd64/h"), "utf8"), "box\n");
    const blob = async (digest: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(join(at, "blobs", digest.replace(":", "/")), "utf8")) as Record<string, unknown>;
    const { manifests } = JSON.parse(await readFile(join(at, "index.json"), "utf8")) as {
      manifests: { digest: string; mediaType: string }[];
    };
    assert.match(manifests[0]?.mediaType ?? "", /index/);
    const index = (await blob(manifests[0]?.digest ?? "")) as { manifests: { digest: string }[] };
    const manifest = (await blob(index.manifests[0]?.digest ?? "")) as { config: { digest: string } };
    assert.ok("moby.buildkit.cache.v0" in (await blob(manifest.config.digest)));
  });

  test("--call says something and builds nothing", async () => {
    const folder = await varve.context(
      "call",
      `ARG GLOBAL=1\nFROM scratch AS First\nFROM ${base} AS second\nARG OWN=2\nRUN --mount=type=secret,id=key true\n`,
    );
    const check = await varve.run(["build", "--check", folder]);
    assert.equal(check.code, 3, check.stdout);
    assert.match(check.stdout, /StageNameCasing/);
    const targets = await varve.run(["build", "--call", "targets", folder]);
    assert.equal(targets.code, 0);
    assert.match(targets.stdout, /second/);
    const outline = await varve.run(["build", "--call", "outline", folder]);
    assert.equal(outline.code, 0, outline.stderr);
    assert.match(outline.stdout, /OWN/);
    assert.match(outline.stdout, /key/);
    const clean = await varve.context("clean", `FROM ${base}\nRUN true\n`);
    assert.equal((await varve.run(["build", "--check", clean])).code, 0);
    const far = await varve.context("far", "FROM localhost:1/none AS far\nARG OWN=2\nCMD x\n");
    const unreachable = await varve.run(["build", "--check", far]);
    assert.match(unreachable.stdout, /^Check incomplete, 1 warning has been found!\n\nWARNING: JSONArgsRecommended/);
    assert.equal(unreachable.stdout.match(/Cannot resolve/g)?.length, 1, unreachable.stdout);
    const partly = await varve.run(["build", "--call", "outline", far]);
    assert.equal(partly.code, 0, partly.stdout);
    assert.match(partly.stdout, /OWN +2[^]*Cannot resolve localhost:1\/none/);
    const wrong = await varve.context("wrong", "FROM scratch AS First\nNOPE\n");
    const unread = await varve.run(["build", "--check", wrong]);
    assert.equal(unread.code, 3);
    assert.match(unread.stdout, /StageNameCasing[^]*unknown instruction: NOPE/);
  });
});
