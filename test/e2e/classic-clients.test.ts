import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import Docker from "dockerode";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { buildsUnavailable, finished } from "../../testing/varve.ts";

const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("../../testing/classic-clients.py", import.meta.url));
const TESTCONTAINERS = fileURLToPath(new URL("../../testing/testcontainers-process.ts", import.meta.url));
const DOCKERFILE = `FROM ${CLASSIC_BASE}\nARG WHO\nCOPY . /app\nRUN echo built for $WHO\n`;

describe("libraries that build by the classic protocol", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  let folder: string;
  before(async () => {
    builder = await ClassicBuilder.open();
    folder = join(builder.server.folder, "project");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), DOCKERFILE);
    await writeFile(join(folder, "file"), "x");
  });
  after(() => builder?.[Symbol.asyncDispose]());

  test("docker-py", async (t) => {
    const probe = await finished(builder.server.start(PYTHON, ["-c", "import docker"]));
    if (probe.code !== 0) return t.skip("python3-docker is not installed");
    const { code, stdout, stderr } = await finished(builder.server.start(PYTHON, [SCRIPT, CLASSIC_BASE, folder]));
    assert.equal(code, 0, stderr);
    const { said, ...seen } = JSON.parse(stdout) as { readonly said: string };
    assert.match(said, /built for py\n/);
    assert.deepEqual(seen, {
      tags: ["py:1"],
      hits: 3,
      same: true,
      alone: "ALONE=1",
      failed: "The command '/bin/sh -c exit 9' returned a non-zero code: 9",
      status: 400,
    });
  });

  test("dockerode", async () => {
    const docker = new Docker({ socketPath: builder.server.socket });
    const stream = await docker.buildImage(
      { context: folder, src: ["Dockerfile", "file"] },
      { t: "js:1", buildargs: { WHO: "js" }, networkmode: "none" },
    );
    const { promise, resolve, reject } = Promise.withResolvers<readonly { readonly stream?: string }[]>();
    docker.modem.followProgress(stream, (error: Error | null, told: readonly { readonly stream?: string }[]) =>
      error === null ? resolve(told) : reject(error),
    );
    const printed = (await promise).map((each) => each.stream ?? "").join("");
    assert.match(printed, /built for js\n.*Successfully tagged js:1/s);
    assert.deepEqual((await docker.getImage("js:1").inspect()).RepoTags, ["js:1"]);
  });

  test("testcontainers", async () => {
    const { code, stderr } = await finished(builder.server.start(process.execPath, [TESTCONTAINERS, folder, "tc:1"]));
    assert.equal(code, 0, stderr);
    const { Config } = await builder.inspect("tc:1");
    assert.equal((Config["Labels"] as Readonly<Record<string, string>>)["org.testcontainers"], "true");
    const texts = (await builder.history("tc:1")).map(({ CreatedBy }) => CreatedBy);
    assert.ok(texts.includes("|1 WHO=tc /bin/sh -c echo built for $WHO"), texts.join("\n"));
  });
});
