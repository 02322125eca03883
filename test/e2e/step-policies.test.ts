import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { type BuildOutcome, Varve, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();
const NOWHERE = ["-o", "type=cacheonly"];
const DAY = 86_400_000;

/** The commands of the steps that ran, by their last word. */
function ran({ steps }: BuildOutcome): string[] {
  return steps
    .filter(({ name, status }) => status === "run" && name.includes("] RUN "))
    .map(({ name }) => lastWord(name));
}

function lastWord(text: string): string {
  return text.split(" ").at(-1) ?? "";
}

/** Makes every cached result of a root older. */
function age({ root }: Varve, days: number): void {
  using database = new DatabaseSync(join(root, "state.db"));
  database.prepare("UPDATE cache_result SET created_at = created_at - ?").run(days * DAY);
}

describe("directives above instructions", { skip }, () => {
  const build = async (folder: string, ...args: string[]): Promise<string[]> =>
    ran(await varve.build([...NOWHERE, ...args, folder]));

  test("never: the step and what follows it run in every build, on the same cache mount", async () => {
    const dockerfile = `FROM ${base}
RUN echo before > /before
# varve: never
RUN --mount=type=cache,target=/c,id=never echo x >> /c/n; wc -l < /c/n > /count
RUN cp /count /after
`;
    const folder = await varve.context("never", dockerfile);
    assert.deepEqual(await build(folder), ["/before", "/count", "/after"]);
    assert.deepEqual(await build(folder), ["/count", "/after"]);
    const made = await varve.make([folder]);
    assert.deepEqual(ran(made), ["/count", "/after"]);
    assert.equal(made.text("after"), "3\n");
  });

  test("ttl: a result is used until it is as old, and what follows is made again with it", async () => {
    const dockerfile = `FROM ${base}
RUN echo before > /earlier
# varve: ttl=7d
RUN date > /dated
RUN cp /dated /after
`;
    await using own = await varve.copy();
    const folder = await own.context("ttl", dockerfile);
    const once = async (): Promise<string[]> => ran(await own.build([...NOWHERE, folder]));
    assert.deepEqual(await once(), ["/earlier", "/dated", "/after"]);
    age(own, 6);
    assert.deepEqual(await once(), []);
    age(own, 2);
    assert.deepEqual(await once(), ["/dated", "/after"]);
    assert.deepEqual(await once(), []);
    await own.context("ttl", dockerfile.replace("ttl=7d", "ttl=9d"));
    age(own, 8);
    assert.deepEqual(await once(), []);
  });

  test("ttl: the age of an imported result counts from when it was made", async () => {
    const dockerfile = `FROM ${base}\n# varve: ttl=7d\nRUN date > /dated\nRUN cp /dated /after\n`;
    await using maker = await varve.copy();
    const folder = await maker.context("ttl-import", dockerfile);
    await maker.build([...NOWHERE, folder]);
    age(maker, 6);
    const dest = join(maker.folder, "cache");
    await maker.build([...NOWHERE, "--cache-to", `type=local,dest=${dest},mode=max`, folder]);
    const import_ = ["--cache-from", `type=local,src=${dest}`];
    await using user = await varve.copy();
    assert.deepEqual(ran(await user.build([...NOWHERE, ...import_, folder])), []);
    await using late = await varve.copy();
    await late.context("ttl-import", dockerfile.replace("ttl=7d", "ttl=5d"));
    const shorter = join(late.folder, "ttl-import");
    assert.deepEqual(ran(await late.build([...NOWHERE, ...import_, shorter])), ["/dated", "/after"]);
  });

  test("ttl: a step on an empty filesystem expires too", async () => {
    const busybox = await readFile("/bin/busybox");
    await using own = await Varve.open();
    const folder = await own.files("scratch", {
      Dockerfile: `FROM scratch\n# varve: ttl=1h\nWORKDIR /a\nCOPY --chmod=755 busybox /busybox\n`,
      busybox,
    });
    const status = async (): Promise<string[]> =>
      (await own.build([...NOWHERE, folder])).steps.flatMap(({ name, status }) =>
        name.includes("/2]") ? [status] : [],
      );
    assert.deepEqual(await status(), ["run", "run"]);
    assert.deepEqual(await status(), ["hit", "hit"]);
    age(own, 1);
    assert.deepEqual(await status(), ["run", "run"]);
  });

  test("cutoff: what follows is looked up by the files of the result", async () => {
    const dockerfile = `FROM ${base}
# varve: cutoff
RUN --mount=type=bind,target=/context wc -c < /context/word > /length
RUN cp /length /copied
RUN cp /copied /after
`;
    const once = async (word: string): Promise<string[]> =>
      await build(await varve.context("cutoff", dockerfile, { word }));
    assert.deepEqual(await once("one"), ["/length", "/copied", "/after"]);
    assert.deepEqual(await once("two"), ["/length"]);
    assert.deepEqual(await once("two"), []);
    assert.deepEqual(await once("three"), ["/length", "/copied", "/after"]);
    assert.deepEqual(await once("one"), []);
    const made = await varve.make([await varve.context("cutoff", dockerfile, { word: "six" })]);
    assert.deepEqual([ran(made), made.text("after")], [["/length"], "3\n"]);
  });

  test("cutoff and never: the result of the moment decides, also if it returns to an earlier one", async () => {
    const dockerfile = `FROM ${base}
# varve: never
# varve: cutoff
RUN --mount=type=secret,id=s cp /run/secrets/s /moment
RUN cp /moment /after
FROM ${base} AS last
COPY --from=0 /after /after
`;
    const folder = await varve.context("cutoff-never", dockerfile);
    const once = async (value: string, ...args: string[]): Promise<string[]> => {
      const made = await varve.make(["--secret", "id=s,env=S", ...args, folder], { env: { S: value } });
      assert.equal(made.text("after"), value);
      return ran(made);
    };
    assert.deepEqual(await once("1"), ["/moment", "/after"]);
    assert.deepEqual(await once("1"), ["/moment"]);
    assert.deepEqual(await once("2"), ["/moment", "/after"]);
    assert.deepEqual(await once("1"), ["/moment"]);
    assert.deepEqual(await once("2"), ["/moment"]);
  });

  test("never, and a copy of one file: the file of the moment decides, also if it returns to an earlier one", async () => {
    const dockerfile = `FROM ${base} AS maker
# varve: never
RUN --mount=type=secret,id=s cp /run/secrets/s /moment
FROM ${base}
COPY --from=maker /moment /copied
RUN cp /copied /after
`;
    const folder = await varve.context("copy-never", dockerfile);
    for (const value of ["1", "2", "1", "1", "2"]) {
      const made = await varve.make(["--secret", "id=s,env=S", folder], { env: { S: value } });
      assert.equal(made.text("after"), value);
    }
    await varve.context("copy-never", dockerfile.replace("# varve: never\n", ""));
    assert.equal(
      (await varve.make(["--secret", "id=s,env=S", folder], { env: { S: "1" } })).text("after"),
      "2",
      "the newest",
    );
  });

  test("secret: its value is a part of the key, and cannot be guessed from an exported cache", async () => {
    const dockerfile = `FROM ${base}
# varve: secret=s
RUN --mount=type=secret,id=s wc -c < /run/secrets/s > /length
RUN cp /length /after
`;
    await using own = await varve.copy();
    const folder = await own.context("secret", dockerfile);
    const dest = join(own.folder, "cache");
    const once = async (secret: string): Promise<string[]> => {
      const args = ["--secret", "id=s,env=S", "--cache-to", `type=local,dest=${dest},mode=max`];
      return ran(await own.build([...NOWHERE, ...args, folder], { env: { S: secret } }));
    };
    assert.deepEqual(await once("hunter2"), ["/length", "/after"]);
    assert.deepEqual(await once("hunter2"), []);
    assert.deepEqual(await once("hunter3"), ["/length", "/after"]);
    assert.deepEqual(await once("hunter2"), []);
    using database = new DatabaseSync(join(own.root, "state.db"));
    const row = database.prepare("SELECT key FROM secret_key").get() as { key: Uint8Array };
    const key = Buffer.from(row.key);
    assert.equal(key.byteLength, 32);
    const secrets = ["hunter2", createHash("sha256").update("hunter2").digest("hex"), key.toString("hex")];
    for (const name of await readdir(join(dest, "blobs/sha256"))) {
      const text = (await readFile(join(dest, "blobs/sha256", name))).toString("latin1");
      for (const each of secrets) assert.ok(!text.includes(each), `${name} contains ${each}`);
    }
  });

  test("secret: other machines make the step themselves", async () => {
    const dockerfile = `FROM ${base}\n# varve: secret=s\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s > /length\n`;
    await using maker = await varve.copy();
    await using user = await varve.copy();
    const folder = await maker.context("secret-elsewhere", dockerfile);
    const dest = join(maker.folder, "cache");
    const secret = ["--secret", "id=s,env=S"];
    const env = { S: "hunter2" };
    await maker.build([...NOWHERE, ...secret, "--cache-to", `type=local,dest=${dest},mode=max`, folder], { env });
    const cached = [...NOWHERE, ...secret, "--cache-from", `type=local,src=${dest}`, folder];
    assert.deepEqual(ran(await user.build(cached, { env })), ["/length"]);
  });

  test("a wrong directive is a warning of the build and of --check, and has no effect", async () => {
    const dockerfile = `FROM ${base}
# varve: ttll=7d
RUN echo 1
# varve: ttl=soon why=off
#   varve: cutoff
COPY Dockerfile /
# varve: never
ENV A=1
`;
    const folder = await varve.context("wrong", dockerfile);
    const checked = await varve.run(["build", "--check", folder]);
    assert.equal(checked.code, 3);
    const messages = checked.stdout.split("\n").filter((line) => line.includes("varve directive"));
    assert.deepEqual(messages, [
      'Unknown varve directive "ttll" (did you mean ttl?)',
      'Invalid varve directive "ttl=soon": expected a duration, such as ttl=7d',
      'varve directive "cutoff" has no effect above COPY: it is for RUN',
      'varve directive "never" has no effect above ENV: it is for RUN, COPY, ADD and WORKDIR',
    ]);
    assert.match(checked.stdout, /InvalidVarveDirective\n/);
    assert.match(checked.stdout, / 2 \| >>> # varve: ttll=7d\n/);
    const built = await varve.build([...NOWHERE, folder]);
    assert.match(built.stderr, /did you mean ttl\?/);
    await writeFile(join(folder, "Dockerfile"), `# check=error=true\n${dockerfile}`);
    assert.equal((await varve.run(["build", ...NOWHERE, folder])).code, 3);
  });
});
