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
const WHOLE = `FROM ${CLASSIC_BASE}
COPY --link file /app/
ARG WHO
RUN --mount=type=secret,id=word echo built for $WHO with $(cat /run/secrets/word)
`;

describe("libraries that build by the classic protocol", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  let folder: string;
  before(async () => {
    builder = await ClassicBuilder.open();
    folder = join(builder.server.folder, "project");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), DOCKERFILE);
    await writeFile(join(folder, "Whole"), WHOLE);
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
      whole: [["py:whole"], true],
      wholeFailed: "The command 'exit 9' returned a non-zero code: 9",
    });
  });

  /** Builds the folder by dockerode, and returns what it prints. */
  async function byDockerode(docker: Docker, options: Docker.ImageBuildOptions): Promise<string> {
    const context = { context: folder, src: ["Dockerfile", "Whole", "file"] };
    const stream = await docker.buildImage(context, { networkmode: "none", ...options });
    const { promise, resolve, reject } = Promise.withResolvers<readonly { readonly stream?: string }[]>();
    docker.modem.followProgress(stream, (error: Error | null, messages: readonly { readonly stream?: string }[]) =>
      error === null ? resolve(messages) : reject(error),
    );
    return (await promise).map(({ stream: text }) => text ?? "").join("");
  }

  test("dockerode", async () => {
    const docker = new Docker({ socketPath: builder.server.socket });
    const printed = await byDockerode(docker, { t: "js:1", buildargs: { WHO: "js" } });
    assert.match(printed, /built for js\n.*Successfully tagged js:1/s);
    assert.deepEqual((await docker.getImage("js:1").inspect()).RepoTags, ["js:1"]);
  });

  test("dockerode, with a Dockerfile that needs BuildKit and a secret", async () => {
    const word = Buffer.from("abc").toString("base64");
    const headers = { "X-Varve-Secrets": JSON.stringify({ word }) };
    const docker = new Docker({ socketPath: builder.server.socket, headers });
    const printed = await byDockerode(docker, { t: "js:whole", dockerfile: "Whole", buildargs: { WHO: "js" } });
    assert.match(printed, /built for js with abc\n.*Successfully tagged js:whole/s);
    assert.deepEqual((await docker.getImage("js:whole").inspect()).RepoTags, ["js:whole"]);
    const again = await byDockerode(docker, { dockerfile: "Whole", buildargs: { WHO: "js" } });
    assert.equal(again.match(/Using cache/g)?.length, 2);
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
