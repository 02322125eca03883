import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { type BuildkitServer, startBuildkitServer } from "../../testing/buildkit-server.ts";
import { startGitServer } from "../../testing/git-server.ts";
import { processesOf } from "../../testing/leftovers.ts";
import { printedOf, unfinished, untilPrinted } from "../../testing/progress.ts";
import { startSshAgent } from "../../testing/ssh-agent.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";
import { finished, sh } from "../../testing/varve.ts";

const skip = clientsUnavailable("ssh-agent", "git", "skopeo");

let server: BuildkitServer;

/** Runs `docker buildx` with the server as its builder. Returns what it printed as progress, and its output. */
async function buildx(args: readonly string[], input?: string | Uint8Array): Promise<{ log: string; stdout: string }> {
  const { stdout, stderr } = await server.remote.run(["buildx", ...args], { input });
  return { log: stderr, stdout };
}

const at = (name: string): string => join(server.varve.folder, name);

suite("docker buildx with the remote driver", { skip }, () => {
  before(async () => {
    server = await startBuildkitServer();
  });
  after(async () => await server?.[Symbol.asyncDispose]());

  test("a build has secrets and an agent, and each kind of output", async () => {
    await using _agent = await startSshAgent(at("agent.sock"));
    await writeFile(at("secret"), "a secret\n");
    const folder = await server.context(
      "stages",
      `FROM BASE AS one
RUN --mount=type=secret,id=s tr a-z A-Z </run/secrets/s >/s
RUN --mount=type=ssh test -S $SSH_AUTH_SOCK
FROM BASE AS two
COPY file /f
RUN echo hello; cat /f
FROM BASE
COPY --from=one /s /s
COPY --from=two /f /f
RUN cat /s /f >/both
LABEL made=here
`,
      { file: "a file\n" },
    );
    const outputs = [
      `type=image,name=${server.registry.host}/made:1,push=true`,
      `type=oci,dest=${at("oci.tar")},name=made:2`,
      `type=docker,dest=${at("docker.tar")},name=made:3`,
      `type=tar,dest=${at("files.tar")}`,
      `type=local,dest=${at("files")}`,
      `type=oci,tar=false,dest=${at("layout")},name=made:4`,
    ];
    const { log } = await buildx([
      "build",
      `--secret=id=s,src=${at("secret")}`,
      `--ssh=default=${at("agent.sock")}`,
      `--metadata-file=${at("metadata.json")}`,
      "--provenance=false",
      ...outputs.flatMap((output) => ["-o", output]),
      folder,
    ]);
    assert.deepEqual(unfinished(log), []);
    assert.match(printedOf(log, "RUN echo hello"), /hello\n.*a file/);
    const metadata = JSON.parse(await readFile(at("metadata.json"), "utf8")) as Record<string, unknown>;
    for (const key of ["buildx.build.ref", "containerimage.digest", "containerimage.descriptor", "image.name"])
      assert.ok(key in metadata, `${key} is missing`);
    const { stdout: inspected } = await buildx([
      "imagetools",
      "inspect",
      "--format={{json .}}",
      `${server.registry.host}/made:1`,
    ]);
    const { manifest } = JSON.parse(inspected) as { manifest: { digest: string } };
    assert.equal(manifest.digest, metadata["containerimage.digest"]);
    await buildx(["build", `--iidfile=${at("iid")}`, "--provenance=false", "-o", "type=image,name=made:5", folder]);
    assert.equal(await readFile(at("iid"), "utf8"), metadata["containerimage.config.digest"]);
    assert.equal(await readFile(at("files/both"), "utf8"), "A SECRET\na file\n");
    assert.match(await sh("tar", "-tf", at("files.tar")), /^both$/m);
    for (const archive of [
      `oci-archive:${at("oci.tar")}`,
      `docker-archive:${at("docker.tar")}`,
      `oci:${at("layout")}:4`,
    ])
      assert.match(await sh("skopeo", "inspect", "--config", archive), /"made":\s*"here"/);
  });

  test("caches in a registry, a directory and an image serve a server that has nothing", async () => {
    const folder = await server.context(
      "cached",
      "FROM BASE AS b\nRUN echo b >/b\nFROM BASE\nCOPY --from=b /b /b\nRUN cat /b\n",
    );
    const image = `${server.registry.host}/inline:1`;
    await buildx([
      "build",
      `--cache-to=type=registry,ref=${server.registry.host}/cache:1,mode=max`,
      `--cache-to=type=local,dest=${at("cache")},mode=max`,
      "--cache-to=type=inline",
      "-o",
      `type=image,name=${image},push=true`,
      folder,
    ]);
    for (const from of [
      `type=registry,ref=${server.registry.host}/cache:1`,
      `type=local,src=${at("cache")}`,
      `type=registry,ref=${image}`,
    ]) {
      await server.restart();
      const { log } = await buildx(["build", `--cache-from=${from}`, "-o", `type=local,dest=${at("from")}`, folder]);
      assert.match(printedOf(log, "RUN cat /b"), /^CACHED$/m, from);
      assert.equal(await readFile(at("from/b"), "utf8"), "b\n");
    }
  });

  test("provenance and an SBOM are read by imagetools, and provenance by the metadata of a build", async () => {
    const name = `${server.registry.host}/attested:1`;
    const generator = `${server.registry.host}/generator:1`;
    const statement = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document","predicate":{"name":"of $BUILDKIT_SCAN_SOURCE"}}`;
    const scanner = await server.context(
      "generator",
      `FROM BASE\nCOPY <<EOT /scan.sh\necho '${statement.replace("$", "'\\$").replace('"}}', "'\"}}")}' >/run/out/sbom.spdx.json\nEOT\nCMD sh /scan.sh\n`,
    );
    await buildx(["build", "--provenance=false", "-t", generator, "--push", scanner]);
    const folder = await server.context("attested", "FROM BASE\nARG V\nCOPY f /f\n", { f: "attested" });
    const metadata = at("attested.json");
    const options = [
      "--provenance=mode=max",
      `--sbom=generator=${generator}`,
      "--build-arg=V=1",
      "--metadata-file",
      metadata,
    ];
    await buildx(["build", ...options, "-t", name, "--push", folder]);
    const inspect = async (what: string): Promise<unknown> =>
      JSON.parse((await buildx(["imagetools", "inspect", name, "--format", `{{json .${what}}}`])).stdout);
    const { SLSA } = (await inspect("Provenance")) as { SLSA: { buildDefinition: { externalParameters: object } } };
    assert.match(JSON.stringify(SLSA.buildDefinition.externalParameters), /"build-arg:V":"1"/);
    const { SPDX } = (await inspect("SBOM")) as { SPDX: { name: string } };
    assert.equal(SPDX.name, "of /run/src/core/sbom");
    const written = JSON.parse(await readFile(metadata, "utf8")) as Record<string, { buildType: string }>;
    assert.equal(written["buildx.build.provenance"]?.buildType, "https://mobyproject.org/buildkit@v1");
  });

  test("a Dockerfile is checked, outlined and listed", async () => {
    const dockerfile =
      "from BASE AS first\nARG COLOUR=red\nRUN --mount=type=secret,id=token true\nFROM first AS second\n";
    const folder = await server.context("described", dockerfile);
    const check = await server.remote.try(["buildx", "build", "--call=check", folder]);
    assert.equal(check.code, 1);
    assert.match(check.stdout, /ConsistentInstructionCasing/);
    assert.match((await buildx(["build", "--call=outline", folder])).stdout, /COLOUR +red[^]*token/);
    assert.match((await buildx(["build", "--call=targets", folder])).stdout, /first[^]*second \(default\)/);
  });

  test("a stage without cache runs again, the others do not", async () => {
    const folder = await server.context(
      "again",
      "FROM BASE AS one\nRUN echo 1 >/1\nFROM BASE\nRUN echo 2 >/2\nCOPY --from=one /1 /1\n",
    );
    await buildx(["build", folder]);
    const { log } = await buildx(["build", "--no-cache-filter=one", folder]);
    assert.match(printedOf(log, "RUN echo 1"), /^DONE/m);
    assert.match(printedOf(log, "RUN echo 2"), /^CACHED$/m);
  });

  test("a named context is an image, a layout, a directory, a repository or a download", async () => {
    await using git = await startGitServer();
    await writeFile(join(git.create("repo"), "versioned"), "from a repository");
    git.git("repo.git", "add", "versioned");
    git.git("repo.git", "commit", "--quiet", "--message=one");
    await using http = await serveText("from the web");
    await sh(
      "skopeo",
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${server.base}`,
      `oci:${at("base-layout")}:base`,
    );
    const directory = await server.varve.files("named-directory", { local: "from a directory" });
    const folder = await server.context(
      "named",
      `FROM image AS run
COPY --from=layout /bin/busybox /layout
COPY --from=directory / /
COPY --from=repository / /repository
COPY --from=download /context /fetched
RUN test -x /layout
`,
    );
    const contexts = {
      image: `docker-image://${server.base}`,
      layout: `oci-layout://${at("base-layout")}:base`,
      directory,
      repository: `${git.url}/repo.git#main`,
      download: `${http.url}/file`,
    };
    const named = Object.entries(contexts).map(([name, value]) => `--build-context=${name}=${value}`);
    await buildx(["build", ...named, "-o", `type=local,dest=${at("named-out")}`, folder]);
    assert.equal(await readFile(at("named-out/local"), "utf8"), "from a directory");
    assert.equal(await readFile(at("named-out/fetched"), "utf8"), "from the web");
    assert.equal(await readFile(at("named-out/repository/versioned"), "utf8"), "from a repository");
  });

  test("a context, or a Dockerfile, comes from standard input", async () => {
    const folder = await server.context("piped", "FROM BASE\nCOPY piped /\n", { piped: "piped" });
    const tar = at("piped.tar");
    await sh("tar", "-C", folder, "-cf", tar, ".");
    await buildx(["build", "-o", `type=local,dest=${at("piped-out")}`, "-"], await readFile(tar));
    assert.equal(await readFile(at("piped-out/piped"), "utf8"), "piped");
    const { log } = await buildx(["build", "--progress=plain", "-"], `FROM ${server.base}\nRUN echo from a pipe\n`);
    assert.match(printedOf(log, "RUN echo from a pipe"), /\d from a pipe$/m);
    await buildx(
      ["build", "-f", "-", "-o", `type=local,dest=${at("piped-out2")}`, folder],
      "FROM scratch\nCOPY piped /two\n",
    );
    assert.equal(await readFile(at("piped-out2/two"), "utf8"), "piped");
  });

  test("Ctrl-C ends the step, and nothing else", async () => {
    const mark = "varve-interrupted-7c1d";
    const folder = await server.context("slow", `FROM BASE\nENV MARK=${mark}\nRUN echo it runs; sleep 600\n`);
    const client = server.remote.start(["buildx", "build", folder]);
    const outcome = finished(client);
    await untilPrinted(client, "it runs");
    assert.notDeepEqual(processesOf(mark), []);
    client.kill("SIGINT");
    const { code, stderr } = await outcome;
    assert.notEqual(code, 0);
    assert.match(stderr, /CANCELED/);
    assert.match(stderr, /context canceled/);
    for (let attempt = 0; attempt < 100 && processesOf(mark).length > 0; attempt += 1) await sleep(50);
    assert.deepEqual(processesOf(mark), []);
    assert.match((await buildx(["history", "inspect"])).stdout, /Status:\s+Canceled/);
    await buildx(["build", "-"], `FROM ${server.base}\nRUN true\n`);
  });

  test("a step that fails is shown with its output and its line", async () => {
    const folder = await server.context("failing", "FROM BASE\n\nRUN seq 1 30; exit 3\n");
    for (const debug of [[], ["--debug"]]) {
      const { code, stderr } = await server.remote.try([...debug, "buildx", "build", "--no-cache", folder]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^#\d+ ERROR: process "\/bin\/sh -c seq 1 30; exit 3" did not complete successfully: exit code: 3$/m,
      );
      assert.match(stderr, /------\n > \[2\/2\] RUN seq 1 30; exit 3:\n(?:\d\.\d+ \d+\n){10}------\n/);
      assert.match(stderr, /Dockerfile:3\n-+\n +1 \| +FROM .*\n +2 \| +\n +3 \| >>> RUN seq 1 30; exit 3\n/);
      assert.match(stderr, /ERROR: failed to build: failed to solve: process .*: exit code: 3$/m);
    }
    const { stdout } = await buildx(["history", "inspect"]);
    assert.match(stdout, /Status:\s+Error.*\n?.*exit code: 3|Error:.*exit code: 3|exit code: 3/);
  });

  test("builds are in the history until they are removed", async () => {
    await buildx(["history", "rm", "--all"]);
    const folder = await server.context("remembered", "FROM BASE\nRUN echo to remember\n");
    await buildx(["build", "--no-cache", folder]);
    const ids = (await buildx(["history", "ls", "--format={{.Ref}}"])).stdout.trim().split("\n");
    assert.equal(ids.length, 1);
    const [id = ""] = ids;
    assert.match((await buildx(["history", "inspect", id])).stdout, /^Name:\s+remembered$/m);
    const { log, stdout } = await buildx(["history", "logs", id]);
    assert.match(printedOf(log + stdout, "RUN echo to remember"), /\d to remember\nDONE/);
    await buildx(["history", "rm", id]);
    assert.equal((await buildx(["history", "ls", "--format={{.Ref}}"])).stdout.trim(), "");
  });

  test("an unchanged context is not sent again, and of a changed one only the change", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`src/${index % 40}/${index}`, `${index} `.repeat(100)]),
    );
    const folder = await server.context("large", "FROM scratch\nCOPY src /src\n", files);
    const sent = async (): Promise<number> => {
      const { log } = await buildx(["build", "-o", `type=local,dest=${at("large-out")}`, folder]);
      return bytesOf(/transferring context: ([\d.]+)(k?M?B)[^\n]* done/.exec(printedOf(log, "load build context")));
    };
    const [first, second] = [await sent(), await sent()];
    assert.ok(first > 900_000, `${first} bytes`);
    assert.ok(second < 300_000, `${second} bytes`);
    await writeFile(join(folder, "src/0/0"), "changed".repeat(20_000));
    const third = await sent();
    assert.ok(third > second + 130_000 && third < second + 160_000, `${second}, then ${third} bytes`);
    assert.equal((await stat(at("large-out/src/0/0"))).size, 140_000);
    assert.equal((await readdir(at("large-out/src"))).length, 40);
  });

  test("a traced step is cached if it reads nothing of what has changed", async () => {
    const text = `FROM ${server.base}\nWORKDIR /app\nCOPY . .\n# varve: traced\nRUN cat source > made\n`;
    const folder = await server.context("traced", text, { source: "source\n", README: "one\n" });
    const build = async (): Promise<string> =>
      (await buildx(["build", "-o", `type=local,dest=${at("made")}`, folder])).log;
    await build();
    await writeFile(join(folder, "README"), "two\n");
    const log = await build();
    assert.match(
      printedOf(log, "RUN cat source"),
      /hit \(traced\): 1 file changed since, none that the step reads\nCACHED$/,
    );
    assert.equal(await readFile(at("made/app/README"), "utf8"), "two\n");
    assert.equal(await readFile(at("made/app/made"), "utf8"), "source\n");
  });

  test("bake builds targets, a matrix, and a target on another one", async () => {
    const folder = await server.context("baked", "FROM BASE\nARG V\nRUN echo $V >/v\n", {
      "Dockerfile.top": "FROM lower\nRUN cat /v >/top\n",
      "docker-bake.hcl": `group "default" { targets = ["top", "many"] }
target "lower" { args = { V = "lower" } }
target "top" {
  dockerfile = "Dockerfile.top"
  contexts = { lower = "target:lower" }
  output = ["type=local,dest=out-top"]
}
target "many" {
  name = "many-\${v}"
  matrix = { v = ["a", "b"] }
  args = { V = v }
  output = ["type=local,dest=out-\${v}"]
}
`,
    });
    const { stderr } = await server.remote.run(["buildx", "bake", "--metadata-file=out.json"], { cwd: folder });
    assert.deepEqual(unfinished(stderr), []);
    const read = async (path: string): Promise<string> => await readFile(join(folder, path), "utf8");
    assert.deepEqual(
      [await read("out-a/v"), await read("out-b/v"), await read("out-top/top")],
      ["a\n", "b\n", "lower\n"],
    );
    const targets = Object.keys(JSON.parse(await read("out.json")) as object);
    assert.deepEqual(targets.toSorted(), ["lower", "many-a", "many-b", "top"]);
  });

  test("the builder is listed, and its cache is shown and pruned", async () => {
    assert.match((await buildx(["ls"])).stdout, /varve0 .*running +v\d+\.\d+/);
    assert.match((await buildx(["inspect"])).stdout, /Platforms: +linux\//);
    assert.match((await buildx(["du"])).stdout, /^Total:|^Private:/m);
    assert.match((await buildx(["du", "--verbose"])).stdout, /^Description:.*(?:RUN|mount)/m);
    assert.match((await buildx(["prune", "--force", "--all"])).stdout, /^Total:\s+\d/m);
    assert.doesNotMatch((await buildx(["du", "--verbose"])).stdout, /^ID:/m);
  });
});

function bytesOf(match: RegExpExecArray | null): number {
  const [, number = "NaN", unit = ""] = match ?? [];
  return Number(number) * (unit === "MB" ? 1e6 : unit === "kB" ? 1e3 : 1);
}

/** Serves a text at every URL. */
async function serveText(text: string): Promise<AsyncDisposable & { readonly url: string }> {
  const http = createServer((_request, response) => void response.end(text)).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      http.close();
      http.closeAllConnections();
      await once(http, "close");
    },
  };
}
