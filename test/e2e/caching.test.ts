import assert from "node:assert/strict";
import { chmod, cp, readFile, readdir, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type BuildOutcome, buildsUnavailable, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();
const NOWHERE = ["-o", "type=cacheonly"];

/** Names of the steps that ran, without the counters and the bases. */
function ran({ steps }: BuildOutcome): string[] {
  return steps
    .filter((step) => step.status === "run" && !/\] FROM /.test(step.name))
    .map((step) => step.name.replace(/^\[.*?\] /, ""));
}

describe("what is run again", { skip }, () => {
  const build = async (...args: string[]): Promise<string[]> => ran(await varve.build([...NOWHERE, ...args]));

  const LINES = ["COPY one /one", "RUN cat /one > /one-too", "COPY dir /dir", "RUN cp -r /dir /dir-too"] as const;

  test("nothing, if nothing changed: here, from another directory, with other times", async () => {
    const files = { one: "1", "dir/a": "a", "dir/b": "b", unused: "u" };
    const folder = await varve.context("same", `FROM ${base}\n${LINES.join("\n")}\n`, files);
    assert.deepEqual(await build(folder), [...LINES]);
    const again = await varve.build([...NOWHERE, folder]);
    assert.deepEqual([...new Set(again.steps.map((step) => step.status))], ["hit"]);
    await cp(folder, join(varve.folder, "elsewhere"), { recursive: true });
    assert.deepEqual(await build(join(varve.folder, "elsewhere")), []);
    await utimes(join(folder, "one"), 1, 1);
    await utimes(join(folder, "dir"), 1, 1);
    await utimes(join(folder, "dir/a"), 2_000_000_000, 2_000_000_000);
    assert.deepEqual(await build(folder), []);
    await writeFile(join(folder, "unused"), "changed");
    assert.deepEqual(await build(folder), []);
  });

  test("just what depends on what changed", async () => {
    const files = { one: "1", "dir/a": "a", "dir/b": "b" };
    const folder = await varve.context("change", `FROM ${base}\nRUN echo change\n${LINES.join("\n")}\n`, files);
    await build(folder);
    await writeFile(join(folder, "dir/a"), "A");
    assert.deepEqual(await build(folder), LINES.slice(2));
    await chmod(join(folder, "dir/b"), 0o600);
    assert.deepEqual(await build(folder), LINES.slice(2));
    await rename(join(folder, "dir/b"), join(folder, "dir/c"));
    assert.deepEqual(await build(folder), LINES.slice(2));
    await writeFile(join(folder, "one"), "one");
    assert.deepEqual(await build(folder), [...LINES]);
    await writeFile(join(folder, "one"), "1");
    assert.deepEqual(await build(folder), [], "all of it was built before");
    await unlink(join(folder, "dir/c"));
    assert.deepEqual(await build(folder), LINES.slice(2));
  });

  test("a step whose input turns out the same is not run again", async () => {
    const dockerfile = `FROM ${base} AS maker
COPY source /source
RUN head -c1 /source > /first
FROM ${base}
COPY --from=maker /first /first
RUN cat /first > /out
`;
    const folder = await varve.context("converge", dockerfile, { source: "abc" });
    assert.equal((await build(folder)).length, 4);
    await writeFile(join(folder, "source"), "axyz");
    assert.deepEqual(await build(folder), ["COPY source /source", "RUN head -c1 /source > /first"]);
    await writeFile(join(folder, "source"), "bbc");
    assert.equal((await build(folder)).length, 4);
  });

  test("--no-cache runs everything, --no-cache-filter one stage, and copies of the same stay cached", async () => {
    const dockerfile = `FROM ${base} AS one
RUN echo fixed > /fixed
FROM ${base} AS two
RUN echo two > /two
FROM ${base}
COPY --from=one /fixed /fixed
COPY --from=two /two /two
RUN echo last
`;
    const folder = await varve.context("no-cache", dockerfile);
    await build(folder);
    assert.deepEqual((await build("--no-cache", folder)).toSorted(), [
      "COPY --from=one /fixed /fixed",
      "COPY --from=two /two /two",
      "RUN echo fixed > /fixed",
      "RUN echo last",
      "RUN echo two > /two",
    ]);
    assert.deepEqual(await build("--no-cache-filter", "one", folder), ["RUN echo fixed > /fixed"]);
    assert.deepEqual((await build("--no-cache-filter=one,two", folder)).toSorted(), [
      "RUN echo fixed > /fixed",
      "RUN echo two > /two",
    ]);
    assert.deepEqual(await build(folder), []);
  });

  test("--no-cache-filter reaches a step that an earlier stage has too", async () => {
    const step = "RUN echo same > /same";
    const dockerfile = `FROM ${base} AS one\n${step}\nFROM ${base} AS two\n${step}\nFROM ${base}\nCOPY --from=one /same /1\nCOPY --from=two /same /2\n`;
    const folder = await varve.context("no-cache-equal", dockerfile);
    await build(folder);
    assert.deepEqual(await build("--no-cache-filter", "two", folder), [step]);
    assert.deepEqual(await build(folder), []);
  });

  test("the values of secrets and the arguments nobody uses do not matter; used ones do", async () => {
    const dockerfile = `FROM ${base}
ARG UNUSED
ARG USED
ENV SET=$USED
RUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null
RUN echo $SET
`;
    const folder = await varve.context("values", dockerfile);
    const once = async (secret: string, ...args: string[]): Promise<string[]> =>
      ran(await varve.build([...NOWHERE, "--secret", "id=s,env=S", ...args, folder], { env: { S: secret } }));
    assert.equal((await once("1", "--build-arg", "USED=1")).length, 2);
    assert.deepEqual(await once("2", "--build-arg", "USED=1"), []);
    assert.equal((await once("1", "--build-arg", "USED=2")).length, 2);
    const unused = await varve.context("unused", `FROM ${base}\nARG UNUSED\nCOPY Dockerfile /\n`);
    await build("--build-arg", "UNUSED=1", unused);
    assert.deepEqual(await build("--build-arg", "UNUSED=2", unused), []);
  });

  test("other bytes behind the same path, size and time are seen", async () => {
    const dockerfile = `FROM scratch\nCOPY file /file\n`;
    const [first, second] = [
      await varve.context("twin-1", dockerfile, { file: "AAAA" }),
      await varve.context("twin-2", dockerfile, { file: "BBBB" }),
    ];
    for (const folder of [first, second]) await utimes(join(folder, "file"), 1000, 1000);
    assert.equal((await varve.make([first])).text("file"), "AAAA");
    assert.equal((await varve.make([second])).text("file"), "BBBB");
    await rename(first, join(varve.folder, "twin-0"));
    await rename(second, first);
    assert.equal((await varve.make([first])).text("file"), "BBBB");
    await writeFile(join(first, "file"), "CCCC");
    await utimes(join(first, "file"), 1000, 1000);
    assert.equal((await varve.make([first])).text("file"), "CCCC");
  });

  test(
    "a cached build opens none of the 10,000 files of its context",
    {
      skip: buildsUnavailable("strace") ?? false,
    },
    async () => {
      const names = Array.from({ length: 10_000 }, (_, index) => `d${index % 100}/file-${index}`);
      const files = Object.fromEntries(names.map((name) => [`tree/${name}`, name]));
      const folder = await varve.context("many", `FROM scratch\nCOPY tree /tree\n`, files);
      await build(folder);
      // A file changed in the same instant as it was hashed is not trusted; the second build has seen them all at rest.
      await build(folder);
      const trace = join(varve.folder, "trace");
      const wrapper = ["strace", "-f", "-e", "trace=openat,openat2,open", "-o", trace];
      const cached = await varve.build([...NOWHERE, folder], { wrapper });
      assert.deepEqual(ran(cached), []);
      const opened = (await readFile(trace, "utf8")).split("\n").filter((line) => /"[^"]*file-\d+"/.test(line));
      assert.deepEqual(opened.slice(0, 3), []);
      assert.ok((await stat(trace)).size > 1000);
      assert.equal((await readdir(join(folder, "tree"))).length, 100);
    },
  );
});
