import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type ClassicBuilt, ClassicFixture, type ClassicStep, copy, env, label } from "../../testing/classic.ts";
import { type Dockerd, dockerdMissing, startDockerd } from "../../testing/dockerd.ts";
import { recordsMissing } from "../../testing/records.ts";

interface Inspected {
  readonly Id: string;
  readonly Config: { readonly Env: string[]; readonly Cmd: string[] | null };
}

/** Beside Docker's classic builder: where ours is meant to differ, each test shows what Docker does. */
describe("the image cache beside Docker's", { skip: dockerdMissing() ?? recordsMissing() ?? false }, () => {
  let docker: Dockerd;
  let fixture: ClassicFixture;
  const stack = new AsyncDisposableStack();
  before(async () => {
    docker = stack.use(await startDockerd());
    fixture = stack.use(await ClassicFixture.open());
  });
  after(() => stack.disposeAsync());

  let contexts = 0;
  /** Builds by Docker; how many steps it took from its cache. */
  async function dockerBuild(lines: readonly string[], ...flags: readonly string[]): Promise<number> {
    const folder = join(docker.folder, `context-${contexts++}`);
    await mkdir(folder);
    for (const name of ["f", "g", "h"]) await writeFile(join(folder, name), name);
    await writeFile(join(folder, "Dockerfile"), ["FROM scratch", ...lines, ""].join("\n"));
    const printed = await docker.docker(["build", ...flags, folder]);
    return printed.split("---> Using cache").length - 1;
  }

  async function inspect(name: string): Promise<Inspected> {
    return (JSON.parse(await docker.docker(["inspect", name])) as [Inspected])[0];
  }

  const archive = (name: string): string => join(docker.folder, `${name}.tar`);

  /** Has Docker forget how images that were brought here were made. */
  async function reload(...names: readonly string[]): Promise<void> {
    await docker.docker(["rmi", ...names]);
    for (const name of names) await docker.docker(["load", "-i", archive(name)]);
  }

  /** An image of Docker's in our store, and nothing of how it was made. */
  async function bring(name: string): Promise<string[]> {
    await docker.docker(["save", "-o", archive(name), name]);
    await fixture.load(await readFile(archive(name)));
    return (await fixture.image(name)).config.history.map((entry) => entry.created_by ?? "");
  }

  /** A step whose text is Docker's own. */
  const copied = (text: string): ClassicStep => ({ ...copy("f", "f"), cmd: ["/bin/sh", "-c", text.slice(11)] });
  const hits = ({ answers }: ClassicBuilt): number => answers.filter((answer) => answer !== "miss").length;

  test("an image that Docker built hits throughout, and is itself in the end", async () => {
    await dockerBuild(["ENV A=1", "COPY f /f", "LABEL l=1"], "-t", "whole");
    const [, text = ""] = await bring("whole");
    const steps = [env({ A: "1" }), copied(text), label("l", "1")];
    for (const _time of [1, 2]) {
      const built = await fixture.build(steps, { cacheFrom: ["whole"] });
      assert.deepEqual(built.answers, ["restored", "restored", "source"]);
      assert.equal(built.image.id, (await inspect("whole")).Id);
    }
  });

  test("a source that is not here turns Docker's local cache off, and ours stays on", async () => {
    const lines = ["ENV N=1", "COPY f /f"];
    await dockerBuild(lines);
    assert.equal(await dockerBuild(lines), 2);
    assert.equal(await dockerBuild(lines, "--cache-from", "nosuch"), 0);
    const steps = [env({ N: "1" }), copy("f", "f")];
    await fixture.build(steps);
    assert.equal(hits(await fixture.build(steps, { cacheFrom: ["nosuch"] })), 2);
  });

  test("a newer but shorter chain hides the complete one from Docker, and not from us", async () => {
    const lines = ["ENV S=1", "ENV S2=1", "ENV S3=1"];
    await dockerBuild(lines);
    await dockerBuild(lines.slice(0, 2), "--no-cache");
    assert.equal(await dockerBuild(lines), 2);
    const steps = ["S", "S2", "S3"].map((name) => env({ [name]: "1" }));
    await fixture.build(steps);
    await fixture.build(steps.slice(0, 2), { noCache: true });
    assert.equal(hits(await fixture.build(steps)), 3);
  });

  test("variables whose text can be read in two ways are wrong in Docker, and right here", async () => {
    await dockerBuild(['ENV A="b C=d"', "COPY f /f"], "-t", "joined");
    assert.equal(await dockerBuild(["ENV A=b C=d", "COPY f /f"], "-t", "apart", "--cache-from", "joined"), 2);
    assert.ok((await inspect("apart")).Config.Env.includes("A=b C=d"));
    const [, text = ""] = await bring("joined");
    const apart = await fixture.build([env({ A: "b", C: "d" })], { cacheFrom: ["joined"] });
    assert.equal(hits(apart), 0);
    assert.deepEqual(apart.image.config.config?.Env?.slice(1), ["A=b", "C=d"]);
    const same = [env({ A: "b C=d" }), copied(text)];
    assert.equal(hits(await fixture.build(same, { cacheFrom: ["joined"] })), 2);
  });

  test("Docker stays with the first source that has a step; we take from each what it has", async () => {
    await dockerBuild(["ENV J=1", "COPY f /f", "LABEL j=1"], "-t", "j1", "--no-cache");
    await dockerBuild(["ENV J=1", "COPY g /f", "LABEL j=2"], "-t", "j2", "--no-cache");
    const [, text = ""] = await bring("j2");
    await bring("j1");
    await reload("j1", "j2");
    const lines = ["ENV J=1", "COPY g /f", "LABEL j=2"];
    assert.equal(await dockerBuild(lines, "--cache-from", "j1", "--cache-from", "j2"), 1);
    assert.equal(await dockerBuild(lines, "--cache-from", "j2", "--cache-from", "j1"), 3);
    const steps = [env({ J: "1" }), copied(text), label("j", "2")];
    for (const cacheFrom of [
      ["j1", "j2"],
      ["j2", "j1"],
    ])
      assert.equal(hits(await fixture.build(steps, { cacheFrom })), 3);
  });

  test("a step within a source has a comment for its command in Docker, and none here", async () => {
    await dockerBuild(["ENV P=1", "COPY h /f", "LABEL p=1"], "-t", "long");
    const [, text = ""] = await bring("long");
    await reload("long");
    assert.equal(await dockerBuild(["ENV P=1", "COPY h /f"], "-t", "prefix", "--cache-from", "long"), 2);
    assert.match((await inspect("prefix")).Config.Cmd?.join(" ") ?? "", /#\(nop\)/);
    const prefix = await fixture.build([env({ P: "1" }), copied(text)], { cacheFrom: ["long"] });
    assert.deepEqual([prefix.answers, prefix.image.config.config?.Cmd], [["restored", "restored"], undefined]);
  });
});
