import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import Docker from "dockerode";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { type Outcome, buildsUnavailable, finished } from "../../testing/varve.ts";

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

describe("docker without buildx, with BuildKit", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  let folder: string;
  before(async () => {
    builder = await ClassicBuilder.open({ buildkit: true });
    folder = join(builder.server.folder, "project");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), WHOLE);
    await writeFile(join(folder, "file"), "x");
    await writeFile(join(folder, "word"), "abc");
  });
  after(() => builder?.[Symbol.asyncDispose]());

  /** Builds by BuildKit's protocol. A docker that needs buildx for it says so. */
  async function build(args: readonly string[], input?: string | Uint8Array): Promise<Outcome> {
    const env = { DOCKER_BUILDKIT: "1" };
    return await builder.server.docker(["build", "--progress=plain", ...args], { env, input: input ?? "" });
  }
  const needsBuildx = ({ stderr }: Outcome): boolean => stderr.includes("buildx component is missing");

  test("a directory with a secret", async (t) => {
    const secret = ["--secret", `id=word,src=${join(folder, "word")}`];
    const first = await build(["-t", "old:1", "--build-arg", "WHO=old", "--label", "k=v", ...secret, folder]);
    if (needsBuildx(first)) return t.skip("docker builds by buildx");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /built for old with abc/);
    const { Id, Config } = await builder.inspect("old:1");
    assert.deepEqual(Config["Labels"], { k: "v" });
    const quiet = await build(["-q", "--build-arg", "WHO=old", "--label", "k=v", ...secret, folder]);
    assert.deepEqual([quiet.code, quiet.stdout.trim()], [0, Id]);
    const { text } = await builder.server.ask("GET", `/events?since=1&until=${Math.ceil(Date.now() / 1000)}`);
    assert.match(text, /"Action":"tag"/);
  });

  test("contexts from standard input, and errors", async (t) => {
    const failed = await build(["-"], `FROM ${CLASSIC_BASE}\nRUN echo why; exit 3\n`);
    if (needsBuildx(failed)) return t.skip("docker builds by buildx");
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /why\n[^]*process ".*" did not complete successfully: exit code: 3\n/);
    const archive = await builder.archive({ Other: `FROM ${CLASSIC_BASE}\nCOPY g /g\n`, g: "1" });
    const uploaded = await build(["-t", "old:2", "-f", "Other", "-"], archive);
    assert.equal(uploaded.code, 0, uploaded.stderr);
    assert.equal((await builder.history("old:2"))[0]?.CreatedBy, "COPY g /g # buildkit");
    const written = join(folder, "out");
    assert.equal((await build(["-o", written, "-"], "FROM scratch\nCOPY <<E /x\nhi\nE\n")).code, 0);
    assert.equal(await readFile(join(written, "x"), "utf8"), "hi\n");
  });

  test("parameters that cannot be used", async () => {
    const ask = async (query: string): Promise<number> =>
      (await builder.server.ask("POST", `/build?version=2&${query}`)).status;
    assert.equal(await ask(`outputs=${encodeURIComponent('[{"Type":"tar"},{"Type":"tar"}]')}`), 400);
    assert.equal(await ask(`outputs=${encodeURIComponent("{")}`), 400);
    assert.equal((await builder.server.ask("POST", "/build/cancel?id=none")).status, 200);
    assert.equal((await builder.server.ask("POST", "/build/cancel")).status, 400);
  });
});
