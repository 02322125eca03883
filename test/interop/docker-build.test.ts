import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildkitServer, startBuildkitServer } from "../../testing/buildkit-server.ts";
import { printedOf, unfinished } from "../../testing/progress.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";
import { type Outcome, sh } from "../../testing/varve.ts";

const skip = clientsUnavailable("skopeo");

let server: BuildkitServer;

/** Runs a `docker` command whose daemon is the server. */
async function docker(args: readonly string[], options: { input?: string; cwd?: string } = {}): Promise<Outcome> {
  return await server.docker.run(args, options);
}

async function output(...args: readonly string[]): Promise<string> {
  return (await docker(args)).stdout.trim();
}

const at = (name: string): string => join(server.varve.folder, name);

suite("docker with the server as its daemon", { skip }, () => {
  before(async () => {
    server = await startBuildkitServer();
  });
  after(async () => await server?.[Symbol.asyncDispose]());

  test("docker build makes an image that the daemon has, by its name and by the id that is printed", async () => {
    const folder = await server.context(
      "first",
      "FROM BASE AS one\nRUN echo 1 >/1\nFROM one\nCOPY file /\nLABEL made=here\n",
      {
        file: "a file\n",
      },
    );
    const flags = [`--iidfile=${at("iid")}`, `--metadata-file=${at("metadata.json")}`];
    const { stderr } = await docker(["build", "-t", "first:1", "-t", "first:2", ...flags, folder]);
    assert.deepEqual(unfinished(stderr), []);
    assert.match(stderr, /building with "default" instance using docker driver/);
    const id = await output("build", "-q", folder);
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await readFile(at("iid"), "utf8"), id);
    const metadata = JSON.parse(await readFile(at("metadata.json"), "utf8")) as Record<string, unknown>;
    assert.equal(metadata["image.name"], "docker.io/library/first:1,docker.io/library/first:2");
    for (const name of [id, "first:1", "first:2"]) {
      assert.equal(await output("inspect", "--format={{.Id}}", name), id);
      assert.equal(await output("inspect", "--format={{.Config.Labels.made}}", name), "here");
    }
    assert.match(await output("images", "--format={{.Repository}}:{{.Tag}}"), /^first:1$/m);
    await docker(["save", "-o", at("first.tar"), "first:1"]);
    assert.match(await sh("skopeo", "inspect", "--config", `docker-archive:${at("first.tar")}`), /"made":\s*"here"/);
  });

  test("the log of a step says why it was not cached", async () => {
    const dockerfile = "FROM BASE\nCOPY package.json /\nRUN cat /package.json > /copy\n";
    const folder = await server.context("explained", dockerfile, { "package.json": "{}" });
    const flags = ["--progress=plain", folder];
    assert.doesNotMatch((await docker(["build", ...flags])).stderr, /missed/);
    await writeFile(join(folder, "package.json"), '{ "version": 2 }');
    const { stderr } = await docker(["build", ...flags]);
    assert.equal(stderr.match(/ missed: package\.json changed \(content, 2 → 16 bytes\)$/gm)?.length, 2, stderr);
    // No flag of `varve build` is proposed: it would not help this client.
    await chmod(join(folder, "package.json"), 0o640);
    const other = await docker(["build", ...flags]);
    assert.equal(other.stderr.match(/ missed: package\.json: mode \d+ → 0640$/gm)?.length, 2, other.stderr);
  });

  test("the store says why, whichever way a build has come", async () => {
    const folder = await server.context("told", "FROM BASE\nRUN true\nCOPY package.json /\nRUN cat /package.json\n", {
      "package.json": "1",
      ".dockerignore": "Dockerfile\n",
    });
    const why = async (): Promise<string> => (await server.varve.run(["cache", "why"])).stdout;
    const ways: Readonly<Record<string, () => Promise<unknown>>> = {
      "the driver of the daemon": async () => await docker(["build", folder]),
      "the remote driver": async () => await server.remote.run(["buildx", "build", folder]),
      "the classic builder": async () =>
        await server.docker.run(["build", "-t", "told", folder], { env: { DOCKER_BUILDKIT: "0" } }),
    };
    let size = 1;
    for (const [way, build] of Object.entries(ways)) {
      await build();
      await writeFile(join(folder, "package.json"), "1".repeat((size += 1)));
      await build();
      const text = `package.json changed (content, ${size - 1} → ${size} bytes)`;
      const told = await why();
      for (const step of ["COPY package.json /", "RUN cat /package.json"])
        assert.ok(
          told.split("\n").some((line) => line.includes(`] ${step} `) && line.endsWith(text)),
          `${way}: ${told}`,
        );
    }
  });

  test("an image of the daemon is a base, without a registry", async () => {
    await docker(["build", "-t", "only-here:1", "-"], { input: `FROM ${server.base}\nRUN echo here >/here\n` });
    const folder = await server.context("on-local", "FROM only-here:1\nRUN cat /here >/there\n");
    await docker(["build", "-o", at("there"), folder]);
    assert.equal(await readFile(at("there/there"), "utf8"), "here\n");
  });

  test("the classic builder and BuildKit's clients share one store", async () => {
    const classic = { env: { DOCKER_BUILDKIT: "0" }, input: `FROM ${server.base}\nRUN echo classic >/classic\n` };
    await server.docker.run(["build", "-t", "classic:1", "-"], classic);
    const { stderr } = await docker(["build", "-"], { input: "FROM classic:1\nRUN cat /classic\n" });
    assert.match(printedOf(stderr, "RUN cat /classic"), /\d classic$/m);
  });

  test("images are pushed, and loaded, by docker buildx build", async () => {
    const folder = await server.context("moved", "FROM BASE\nLABEL moved=yes\n");
    await docker(["buildx", "build", "--push", "-t", `${server.registry.host}/moved:1`, folder]);
    const remote = ["inspect", "--tls-verify=false", "--config", `docker://${server.registry.host}/moved:1`];
    assert.match(await sh("skopeo", ...remote), /"moved":\s*"yes"/);
    await docker(["buildx", "build", "--load", "-t", "moved:2", folder]);
    assert.equal(await output("inspect", "--format={{.Config.Labels.moved}}", "moved:2"), "yes");
  });

  test("docker compose builds its services", async () => {
    const folder = await server.context("composed", "FROM BASE\nARG V\nLABEL v=$V\nRUN echo $V\n", {
      "compose.yaml": `services:
  a: { image: "composed-a:1", build: { context: ., args: { V: one } } }
  b: { image: "${server.registry.host}/composed-b:1", build: { context: ., args: { V: two } } }
`,
    });
    await docker(["compose", "build"], { cwd: folder });
    assert.equal(await output("inspect", "--format={{.Config.Labels.v}}", "composed-a:1"), "one");
    await docker(["compose", "build", "--push", "b"], { cwd: folder });
    const remote = ["inspect", "--tls-verify=false", "--config", `docker://${server.registry.host}/composed-b:1`];
    assert.match(await sh("skopeo", ...remote), /"v":\s*"two"/);
  });

  test("docker buildx bake builds targets that depend on each other", async () => {
    const folder = await server.context("baked", "FROM BASE\nARG V\nLABEL v=$V\n", {
      "Dockerfile.top": "FROM lower\nRUN true\n",
      "docker-bake.hcl": `group "default" { targets = ["lower", "top"] }
target "lower" {
  args = { V = "low" }
  tags = ["baked-lower:1"]
}
target "top" {
  dockerfile = "Dockerfile.top"
  contexts = { lower = "target:lower" }
  tags = ["baked-top:1"]
}
`,
    });
    const { stderr } = await docker(["buildx", "bake"], { cwd: folder });
    assert.deepEqual(unfinished(stderr), []);
    for (const name of ["baked-lower:1", "baked-top:1"])
      assert.equal(await output("inspect", "--format={{.Config.Labels.v}}", name), "low");
  });

  test("a build that fails, or is only checked, says why", async () => {
    const { code, stderr } = await server.docker.try(["build", "-"], {
      input: `FROM ${server.base}\nRUN echo no; exit 7\n`,
    });
    assert.equal(code, 1);
    assert.match(stderr, /ERROR: failed to build: failed to solve: process .*echo no; exit 7.*exit code: 7$/m);
    assert.match(stderr, /2 \| >>> RUN echo no; exit 7/);
    const folder = await server.context("checked", "from BASE\nRUN true\n");
    const check = await server.docker.try(["build", "--check", folder]);
    assert.match(check.stdout, /ConsistentInstructionCasing/);
    const missing = await server.docker.try(["build", "--target=nope", folder]);
    assert.match(missing.stderr, /target stage "nope" could not be found/);
  });

  test("the builder is listed and described, and its cache and history are shown and removed", async () => {
    assert.match(await output("buildx", "ls"), /default +\\_ default +running +v\d|\\_ default .*running +v\d/);
    assert.match(await output("buildx", "inspect"), /Driver: +docker\n[^]*Platforms: +linux\//);
    assert.match(await output("buildx", "du"), /^(?:Private|Total):/m);
    const last = (await output("buildx", "history", "ls", "--format={{.Ref}}")).split("\n")[0] ?? "";
    assert.match(await output("buildx", "history", "inspect", last), /^Name:\s/m);
    await docker(["buildx", "history", "rm", "--all"]);
    assert.equal(await output("buildx", "history", "ls", "--format={{.Ref}}"), "");
    assert.match(await output("builder", "prune", "--force"), /^Total:\s+\d/m);
    assert.match(await output("buildx", "prune", "--all", "--force"), /^Total:\s+\d/m);
    await docker(["image", "rm", "--force", "first:1"]);
    assert.match(await output("system", "df"), /Build Cache/);
  });
});
