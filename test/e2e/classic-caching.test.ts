import assert from "node:assert/strict";
import { link, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { sh } from "../../testing/varve.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const enc = encodeURIComponent;
const from = (...names: readonly string[]): string => `cachefrom=${enc(JSON.stringify(names))}`;

describe("the classic builder's cache", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  before(async () => {
    builder = await ClassicBuilder.open();
  });
  after(() => builder?.[Symbol.asyncDispose]());

  const docker = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await builder.server.docker(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  test("what is built again is the same image; without a cache it is a new one, which is then taken (C1, C2)", async () => {
    const dockerfile = "FROM {base}\nENV C1=1\nRUN echo c1 > /c1\nWORKDIR /w\nCOPY x /x\n";
    const one = await builder.build(dockerfile, "", { x: "x" });
    const again = await builder.build(dockerfile, "", { x: "x" });
    assert.deepEqual([one.hits, again.hits, again.id], [0, 4, one.id]);
    assert.doesNotMatch(again.printed, /Running in/);
    const fresh = await builder.build(dockerfile, "nocache=1", { x: "x" });
    assert.equal(fresh.hits, 0);
    assert.equal((await builder.build(dockerfile, "", { x: "x" })).id, fresh.id);
  });

  test("saved, removed and loaded, an image's steps hit by name only, empty ones too (C10 to C14)", async () => {
    const dockerfile = "FROM {base}\nENV SAVED=1\nADD x /x\nRUN echo saved > /saved\n";
    const { id } = await builder.build(dockerfile, "t=saved", { x: "saved" });
    const archive = join(builder.server.folder, "saved.tar");
    await docker("save", "-o", archive, "saved");
    await docker("rmi", "saved");
    await docker("load", "-i", archive);
    const hit = await builder.build(dockerfile, from("saved"), { x: "saved" });
    assert.deepEqual([hit.hits, hit.id], [3, id]);
    const twice = await builder.build(dockerfile, from("saved"), { x: "saved" });
    assert.deepEqual([twice.hits, twice.id], [3, id]);
    const ids = (await builder.history("saved")).slice(0, 3).map(({ Id }) => Id);
    assert.ok(ids.every((each) => each.startsWith("sha256:")));
    assert.equal((await builder.build(dockerfile, "", { x: "saved" })).hits, 0);
  });

  test("a shorter Dockerfile gets its own command back, not the step's text (C15)", async () => {
    const dockerfile = 'FROM {base}\nENV SHORT=1\nRUN echo short > /s\nCMD ["later"]\n';
    await builder.build(dockerfile, "t=long");
    const archive = join(builder.server.folder, "long.tar");
    await docker("save", "-o", archive, "long");
    await docker("rmi", "long");
    await docker("load", "-i", archive);
    const { hits } = await builder.build(dockerfile.split("\n").slice(0, 3).join("\n"), `t=short&${from("long")}`);
    assert.equal(hits, 2);
    assert.deepEqual((await builder.inspect("short")).Config.Cmd, ["sh"]);
  });

  test("a source that is not there leaves the local cache on (C5)", async () => {
    const dockerfile = "FROM {base}\nENV NOSUCH=1\nRUN true\n";
    await builder.build(dockerfile);
    assert.equal((await builder.build(dockerfile, from("nosuch"))).hits, 2);
  });

  test("texts that read the same are not the same step", async () => {
    const two = await builder.build('FROM {base}\nENV A="b C=d"\n', "t=env-one");
    const other = await builder.build("FROM {base}\nENV A=b C=d\n", `t=env-two&${from("env-one")}`);
    assert.deepEqual([other.hits, other.id === two.id], [0, false]);
    assert.ok((await builder.inspect("env-two")).Config.Env.includes("C=d"));
    await builder.build('FROM {base}\nRUN ["echo","x y"]\n', "t=run-one");
    assert.equal((await builder.build('FROM {base}\nRUN ["echo","x","y"]\n', from("run-one"))).hits, 0);
  });

  test("a newer step that leads nowhere does not hide an older chain (C4, the other way)", async () => {
    const dockerfile = "FROM {base}\nENV CHAIN=1\nRUN echo chain > /chain\nRUN echo end > /end\n";
    const whole = await builder.build(dockerfile);
    const cut = dockerfile.replace("echo end > /end", "exit 1");
    assert.equal((await builder.build(cut, "nocache=1")).error?.code, 1);
    const again = await builder.build(dockerfile);
    assert.deepEqual([again.hits, again.id], [3, whole.id]);
  });

  test("a second health check hits, and keeps what it says (trap of shared configs)", async () => {
    const dockerfile = "FROM {base}\nHEALTHCHECK --interval=5s CMD a\nHEALTHCHECK CMD b\n";
    await builder.build(dockerfile, "t=health");
    assert.equal((await builder.build(dockerfile)).hits, 2);
    assert.deepEqual((await builder.inspect("health")).Config["Healthcheck"], { Test: ["CMD-SHELL", "b"] });
  });

  test("a hard link counts by its content (B33), a mode counts, a time does not (C22)", async () => {
    const folder = join(builder.server.folder, "links");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), `FROM ${CLASSIC_BASE}\nCOPY z /z\nRUN cat /z\n`);
    await writeFile(join(folder, "a"), "old");
    await link(join(folder, "a"), join(folder, "z"));
    const build = async (): Promise<string> => await docker("build", "--network=none", folder);
    await build();
    await sh("touch", "-d", "2001-01-01", join(folder, "a"));
    assert.equal((await build()).match(/Using cache/g)?.length, 2);
    await writeFile(join(folder, "a"), "new");
    assert.match(await build(), /^new/m);
    await sh("chmod", "600", join(folder, "a"));
    assert.equal((await build()).match(/Using cache/g), null);
  });

  test("scratch hits for its own platform only (C18, C20)", async () => {
    const build = (platform: string): ReturnType<ClassicBuilder["build"]> =>
      builder.build("FROM scratch\nENV P=1\nCOPY x /x\n", `t=scratch&platform=${enc(platform)}`, { x: "scratch" });
    assert.equal((await build("linux/amd64")).hits, 0);
    assert.equal((await build("linux/amd64")).hits, 2);
    assert.equal((await build("linux/arm64")).hits, 0);
    assert.equal((await builder.inspect("scratch")).Architecture, "arm64");
    assert.equal((await build("linux/arm64")).hits, 2);
  });

  test("a stage's own platform is asked for", async () => {
    const dockerfile = "FROM --platform=linux/arm64 scratch\nENV STAGE=1\n";
    await builder.build(dockerfile, "t=stage");
    assert.equal((await builder.inspect("stage")).Architecture, "arm64");
    assert.equal((await builder.build(dockerfile)).hits, 1);
    assert.equal((await builder.build("FROM scratch\nENV STAGE=1\n")).hits, 0);
  });

  test("a miss ends with its stage (C24)", async () => {
    const stages = (first: string): string =>
      `FROM {base}\nRUN echo ${first}\nRUN true\nFROM {base}\nRUN echo second\n`;
    await builder.build(stages("one"));
    assert.equal((await builder.build(stages("two"))).hits, 1);
  });

  test("deleting a name deletes its steps, pruning keeps them (C30, C31)", async () => {
    const dockerfile = "FROM {base}\nENV GONE=1\nRUN echo gone > /gone\n";
    await builder.build(dockerfile, "t=gone");
    await builder.server.ask("POST", "/images/prune");
    assert.equal((await builder.build(dockerfile)).hits, 2);
    await docker("rmi", "gone");
    assert.equal((await builder.build(dockerfile)).hits, 0);
  });
});
