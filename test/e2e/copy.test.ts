import assert from "node:assert/strict";
import { chmod, link, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

describe("copying files", { skip }, () => {
  test("directories, wildcards and renamings end where Docker puts them", async () => {
    const folder = await varve.context(
      "forms",
      `FROM scratch
COPY one.txt /
COPY one.txt /renamed
COPY one.txt two.txt /both/
COPY *.txt /wild/
COPY dir /dir
COPY dir/sub /parent/sub/
COPY ["spaced name.txt", "/json array/"]
COPY link.txt /link/
COPY linkdir /linkdir
WORKDIR /work
COPY one.txt relative/file
COPY . whole
`,
      { "one.txt": "1", "two.txt": "2", "spaced name.txt": "s", "dir/sub/deep.txt": "deep", "dir/empty/": "" },
    );
    await symlink("one.txt", join(folder, "link.txt"));
    await symlink("dir/sub", join(folder, "linkdir"));
    const made = await varve.make([folder]);
    const expected: Record<string, string> = {
      "one.txt": "1",
      renamed: "1",
      "both/one.txt": "1",
      "both/two.txt": "2",
      "wild/one.txt": "1",
      "wild/two.txt": "2",
      "wild/spaced name.txt": "s",
      "wild/link.txt": "1",
      "dir/sub/deep.txt": "deep",
      "parent/sub/deep.txt": "deep",
      "json array/spaced name.txt": "s",
      "link/link.txt": "1",
      "linkdir/deep.txt": "deep",
      "work/relative/file": "1",
      "work/whole/dir/sub/deep.txt": "deep",
    };
    for (const [path, text] of Object.entries(expected)) assert.equal(made.text(path), text, path);
    assert.equal(made.files.get("dir/empty")?.type, "directory");
    assert.equal(made.files.get("work/whole/link.txt")?.link, "one.txt");
    assert.equal(made.files.get("one.txt")?.owner, "0:0");
  });

  test("owners, modes, and what lies between", async () => {
    const folder = await varve.context(
      "owners",
      `FROM ${base}
RUN echo 'app:x:1234:2345::/:/bin/sh' >> /etc/passwd && echo 'crew:x:77:' >> /etc/group
COPY a /plain/
COPY --chown=55:66 a /numbers/
COPY --chown=55 a /number
COPY --chown=app:crew a /names
COPY --chown=app a /name
COPY --chmod=4711 a /octal
COPY --chmod=u=rwX,g=r,o= a /symbolic
COPY --chmod=a+X dir /symbolic-dir
COPY --chown=9:9 --chmod=700 dir /dir
ADD --chown=3:4 --chmod=640 a /added
`,
      { a: "a", "dir/inner/x": "x" },
    );
    await chmod(join(folder, "a"), 0o644);
    await chmod(join(folder, "dir/inner/x"), 0o640);
    const { files } = await varve.make([folder]);
    const seen = (path: string): string => {
      const { mode = 0, owner = "absent" } = files.get(path) ?? {};
      return `${owner} ${mode.toString(8)}`;
    };
    assert.deepEqual(
      {
        plain: seen("plain/a"),
        numbers: seen("numbers/a"),
        created: seen("numbers"),
        number: seen("number"),
        names: seen("names"),
        name: seen("name"),
        octal: seen("octal"),
        symbolic: seen("symbolic"),
        file: seen("symbolic-dir/inner/x"),
        dir: seen("dir"),
        inner: seen("dir/inner"),
        leaf: seen("dir/inner/x"),
        added: seen("added"),
      },
      {
        plain: "0:0 644",
        numbers: "55:66 644",
        created: "55:66 755",
        number: "55:55 644",
        names: "1234:77 644",
        name: "1234:2345 644",
        octal: "0:0 4711",
        symbolic: "0:0 640",
        file: "0:0 640",
        dir: "9:9 700",
        inner: "9:9 700",
        leaf: "9:9 700",
        added: "3:4 640",
      },
    );
  });

  test("--parents, --exclude, --link and heredocs", async () => {
    const folder = await varve.context(
      "flags",
      `# syntax=docker/dockerfile:1-labs
FROM ${base}
ARG WHO=you
COPY --parents src/*/*.c /parents/
COPY --parents ./src/./x/one.c /pivot/
COPY --exclude=**/*.c --exclude=x/keep src /excluded
COPY --link src/x /linked/x
COPY --link --chown=5:6 src/y/two.c /linked/
COPY <<one <<"two" /docs/
hello $WHO
one
verbatim $WHO
two
COPY --chmod=600 <<EOF /docs/named
last
EOF
`,
      { "src/x/one.c": "1", "src/y/two.c": "2", "src/x/keep": "k", "src/y/other.h": "h" },
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("parents/src/x/one.c"), "1");
    assert.equal(made.text("parents/src/y/two.c"), "2");
    assert.equal(made.text("pivot/x/one.c"), "1");
    assert.equal(made.files.has("excluded/x/one.c"), false);
    assert.equal(made.files.has("excluded/x/keep"), false);
    assert.equal(made.text("excluded/y/other.h"), "h");
    assert.equal(made.text("linked/x/one.c"), "1");
    assert.equal(made.files.get("linked/two.c")?.owner, "5:6");
    assert.equal(made.text("docs/one"), "hello you\n");
    assert.equal(made.text("docs/two"), "verbatim $WHO\n");
    assert.equal(made.text("docs/named"), "last\n");
    assert.equal(made.files.get("docs/named")?.mode, 0o600);
  });

  test("from stages, images and named contexts", async () => {
    const other = await varve.files("other", { "given.txt": "given", ".dockerignore": "hidden\n", hidden: "h" });
    const folder = await varve.context(
      "froms",
      `FROM scratch AS first
COPY a /a
FROM first
COPY --from=first /a /by-name
COPY --from=0 /a /by-number
COPY --from=${base} /etc/passwd /from-image
COPY --from=other . /named/
COPY --from=pinned /etc/group /from-pinned
`,
      { a: "a" },
    );
    const contexts = [`other=${other}`, `pinned=docker-image://${base}`];
    const made = await varve.make([...contexts.flatMap((item) => ["--build-context", item]), folder]);
    assert.equal(made.text("by-name"), "a");
    assert.equal(made.text("by-number"), "a");
    assert.match(made.text("from-image"), /^root:/);
    assert.match(made.text("from-pinned"), /^root:/);
    assert.equal(made.text("named/given.txt"), "given");
    assert.equal(made.manifest.layers.length, 6);
  });

  test("a symbolic link in the image is not a way out of it", async () => {
    const folder = await varve.context(
      "links",
      `FROM ${base}
RUN ln -s /../../../../../../tmp/inside /escape && mkdir -p /tmp/inside && ln -s ../../../../etc /up
COPY a /escape/a
COPY a /up/a
`,
      { a: "a" },
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("tmp/inside/a"), "a");
    assert.equal(made.text("etc/a"), "a");
  });

  test("names and kinds of files that are seldom seen", async () => {
    const folder = await varve.context("odd", "FROM scratch\nCOPY . /all/\n", {
      "a b": "1",
      "new\nline": "2",
      "co:lon,comma=": "3",
      "back\\slash": "4",
      "é.txt": "5",
      ["n".repeat(255)]: "6",
      "*": "7",
      ".dockerignore": "Dockerfile\n.dockerignore\n",
    });
    await writeFile(Buffer.concat([Buffer.from(`${folder}/bytes-`), Buffer.from([0xff, 0xfe])]), "8");
    await symlink("nowhere", join(folder, "broken"));
    await symlink("/etc/passwd", join(folder, "absolute"));
    await link(join(folder, "a b"), join(folder, "second"));
    await sh("mkfifo", join(folder, "fifo"));
    const made = await varve.make([folder]);
    const byKind = [...made.files].map(([path, { type, link: to, text }]) => [path.slice(4), `${type} ${to}${text}`]);
    assert.deepEqual(Object.fromEntries(byKind.filter(([path]) => path !== "")), {
      "*": "file 7",
      "a b": "file 1",
      absolute: "symlink /etc/passwd",
      "back\\slash": "file 4",
      broken: "symlink nowhere",
      "bytes-\xff\xfe": "file 8",
      "co:lon,comma=": "file 3",
      fifo: "fifo ",
      ["n".repeat(255)]: "file 6",
      "new\nline": "file 2",
      second: "hardlink all/a b",
      "\xc3\xa9.txt": "file 5",
    });
    assert.ok((await varve.build(["-o", "type=cacheonly", folder])).steps.every((step) => step.status === "hit"));
  });

  test("ignored files are not copied, and the Dockerfile's own ignore file goes first", async () => {
    const folder = await varve.context("ignored", "FROM scratch\nCOPY . /\n", {
      ".dockerignore": "*.log\n!keep.log\n/sub/deep\nDockerfile*\n.dockerignore\n",
      "a.log": "",
      "keep.log": "",
      "sub/deep/x": "",
      "sub/b.log": "",
      "other.Dockerfile": "FROM scratch\nCOPY . /\n",
      "other.Dockerfile.dockerignore": "*\n!sub\nsub/deep\n",
    });
    const usual = await varve.make([folder]);
    assert.deepEqual([...usual.files.keys()].toSorted(), [
      "keep.log",
      "other.Dockerfile",
      "other.Dockerfile.dockerignore",
      "sub",
      "sub/b.log",
    ]);
    const own = await varve.make(["-f", join(folder, "other.Dockerfile"), folder]);
    assert.deepEqual([...own.files.keys()].toSorted(), ["sub", "sub/b.log"]);
  });
});
