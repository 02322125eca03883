import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { messagesOf } from "../../testing/docker-server.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const DOCKERFILE = "FROM {base}\nRUN echo 1 > /one\nRUN echo 2 > /two && rm /one\nENV A=1\n";

describe("squashed builds", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  before(async () => {
    builder = await ClassicBuilder.open();
  });
  after(() => builder?.[Symbol.asyncDispose]());

  test("the squashed image is told of and named; what it is made of stays, and the cache has it", async () => {
    const base = await builder.inspect(CLASSIC_BASE);
    const plain = await builder.build(DOCKERFILE, "t=plain");
    const squashed = await builder.build(DOCKERFILE, "t=squashed&squash=1");
    assert.deepEqual([squashed.error, squashed.hits], [undefined, 3]);
    const told = messagesOf(squashed).filter(({ aux }) => aux !== undefined);
    assert.deepEqual(told, [{ aux: { ID: plain.id } }, { id: "moby.image.id", aux: { ID: squashed.id } }]);
    const image = await builder.inspect("squashed");
    assert.deepEqual([image.Id, image.Parent, image.Config.Env.at(-1)], [squashed.id, "", "A=1"]);
    assert.deepEqual(image.RootFS.Layers?.slice(0, -1), base.RootFS.Layers);
    assert.equal((await builder.inspect("plain")).Id, plain.id);
    assert.deepEqual(await builder.inspect(CLASSIC_BASE), base);
    const next = await builder.build("FROM squashed\nRUN ls / && cat /two\n", "nocache=1");
    assert.match(next.printed, /\ntwo\n.*2\n/s);
    assert.doesNotMatch(next.printed, /\none\n/);
  });

  test("docker build --squash", async () => {
    const folder = join(builder.server.folder, "project");
    const idFile = join(builder.server.folder, "id");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), DOCKERFILE.replace("{base}", CLASSIC_BASE));
    const flags = ["--squash", "--network=none", `--iidfile=${idFile}`, "-t", "by-client"];
    const { code, stderr } = await builder.server.docker(["build", ...flags, folder]);
    assert.equal(code, 0, stderr);
    const { Id } = await builder.inspect("by-client");
    assert.equal(await readFile(idFile, "utf8"), Id);
    const [newest] = JSON.parse((await builder.server.ask("GET", "/images/by-client/history")).text) as [
      { readonly Comment: string; readonly CreatedBy: string },
    ];
    assert.match(newest.Comment, /^merge sha256:[0-9a-f]{64} to sha256:[0-9a-f]{64}$/);
    assert.equal(newest.CreatedBy, "");
  });
});
