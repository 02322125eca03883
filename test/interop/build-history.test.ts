import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { buildkitProgram } from "../../testing/buildkit-programs.ts";
import {
  type BuildkitServer,
  remoteClients,
  startBuildkitServer,
  startServing,
} from "../../testing/buildkit-server.ts";
import { printedOf, untilPrinted } from "../../testing/progress.ts";
import { type StockClients, clientsUnavailable } from "../../testing/stock-clients.ts";
import { finished, sh } from "../../testing/varve.ts";

/** What `docker buildx history inspect --format=json` prints. */
interface Inspected {
  readonly Name: string;
  readonly Ref: string;
  readonly Status: string;
  readonly NumCompletedSteps: number;
  readonly NumTotalSteps: number;
  readonly BuildArgs?: readonly { readonly Name: string; readonly Value: string }[];
  readonly Materials?: readonly { readonly URI: string }[];
  readonly Attachments?: readonly { readonly Digest: string; readonly Platform?: string; readonly Type: string }[];
  readonly Error?: { readonly Message: string; readonly Name?: string; readonly Logs?: readonly string[] };
}

interface Archived {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const PROVENANCE = "https://slsa.dev/provenance/v1";

let server: BuildkitServer;
/** The IDs of a build that succeeded, and of one that failed. */
let done: string;
let failed: string;

const at = (name: string): string => join(server.varve.folder, name);

async function history(clients: StockClients, ...args: readonly string[]): Promise<string> {
  return (await clients.run(["buildx", "history", ...args])).stdout;
}

async function inspect(clients: StockClients, ref: string): Promise<Inspected> {
  return JSON.parse(await history(clients, "inspect", "--format=json", ref)) as Inspected;
}

async function refs(clients: StockClients, ...filters: readonly string[]): Promise<string[]> {
  const given = filters.map((filter) => `--filter=${filter}`);
  return (await history(clients, "ls", "--format={{.Ref}}", ...given)).split("\n").filter((ref) => ref !== "");
}

/** Builds a directory, and returns the ID of the build. */
async function build(clients: StockClients, folder: string, ...args: readonly string[]): Promise<string> {
  const path = join(folder, "metadata.json");
  await clients.run(["buildx", "build", `--metadata-file=${path}`, ...args, folder]);
  const { "buildx.build.ref": ref } = JSON.parse(await readFile(path, "utf8")) as { "buildx.build.ref": string };
  return ref.split("/").at(-1) ?? "";
}

/** Unpacks an exported build, checks the digest of all that it contains, and returns the descriptors of its records. */
async function unpacked(archive: string): Promise<{ readonly folder: string; readonly records: readonly Archived[] }> {
  const folder = `${archive}.d`;
  await mkdir(folder);
  await sh("tar", "-xzf", archive, "-C", folder);
  const { manifests } = JSON.parse(await readFile(join(folder, "index.json"), "utf8")) as { manifests: Archived[] };
  const records = await Promise.all(
    manifests.map(async (each) => {
      const document = (await blobOf(folder, each)) as { readonly manifests?: readonly Archived[] };
      return document.manifests ?? [each];
    }),
  );
  return { folder, records: records.flat() };
}

async function bytesOf(folder: string, { digest }: Archived): Promise<Buffer> {
  const [algorithm = "", hex = ""] = digest.split(":");
  const bytes = await readFile(join(folder, "blobs", algorithm, hex));
  assert.equal(createHash(algorithm).update(bytes).digest("hex"), hex);
  return bytes;
}

async function blobOf(folder: string, descriptor: Archived): Promise<unknown> {
  return JSON.parse((await bytesOf(folder, descriptor)).toString()) as unknown;
}

/** Returns the blobs of an exported record by their media types. */
async function blobsOf(folder: string, record: Archived): Promise<Map<string, Buffer>> {
  const { config, layers } = (await blobOf(folder, record)) as { config: Archived; layers: Archived[] };
  const blobs = new Map<string, Buffer>();
  for (const each of [config, ...layers]) blobs.set(each.mediaType, await bytesOf(folder, each));
  return blobs;
}

suite("the history of builds with stock clients", { skip: clientsUnavailable() }, () => {
  before(async () => {
    server = await startBuildkitServer();
    const folder = await server.context(
      "remembered",
      "FROM BASE\nARG V\nCOPY f /f\nRUN echo to remember $V; cat /f\n",
      {
        f: "a file\n",
      },
    );
    done = await build(server.remote, folder, "--build-arg=V=1", "-o", `type=oci,dest=${at("made.tar")}`);
    const failing = await server.context("failing", "FROM BASE\n\nRUN seq 1 30; exit 3\n");
    await server.remote.try(["buildx", "build", failing]);
    [failed = ""] = await refs(server.remote, "status=error");
  });
  after(async () => await server?.[Symbol.asyncDispose]());

  test("ls lists builds, and filters them", async () => {
    const all = await refs(server.remote);
    assert.deepEqual(all, [failed, done], "the newest first");
    for (const [filter, expected] of [
      ["status=completed", [done]],
      ["status!=completed", [failed]],
      [`ref=${done}`, [done]],
      ["startedAt>1h", all],
      ["startedAt<1h", []],
      ["completedAt<2001-01-01T00:00:00Z", []],
      ["duration<1h", all],
      ["repository=none", []],
    ] as const)
      assert.deepEqual(await refs(server.remote, filter), expected, filter);
    assert.deepEqual(await refs(server.remote, "status=completed", "duration>1h"), []);
    const [line = "{}"] = (await history(server.remote, "ls", "--format=json", `--filter=ref=${done}`)).split("\n");
    const {
      name,
      status,
      total_steps: total,
      completed_steps: completed,
    } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([name, status], ["remembered", "Completed"]);
    assert.ok(Number(total) >= 5 && completed === total, line);
  });

  test("inspect shows what was built, and of which sources", async () => {
    const text = await history(server.remote, "inspect", done);
    assert.match(text, /^Name:\s+remembered$[^]*^Build Steps:\s+(\d+)\/\1 \(/m);
    const { Status, BuildArgs, Materials = [], Attachments = [], Error: error } = await inspect(server.remote, done);
    assert.deepEqual([Status, error], ["completed", undefined]);
    assert.deepEqual(BuildArgs, [{ Name: "V", Value: "1" }]);
    assert.ok(Materials.some(({ URI }) => URI.startsWith("pkg:docker/") && URI.includes("/base@1")));
    const types = Attachments.map(({ Type }) => Type);
    assert.ok(types.includes(PROVENANCE), types.join());
    assert.ok(types.includes("application/vnd.oci.image.manifest.v1+json"), types.join());
    const offset = JSON.parse(await history(server.remote, "inspect", "--format=json", "^1")) as Inspected;
    assert.equal(offset.Ref, done);
  });

  test("inspect shows the error of a failed build, its line and its output", async () => {
    const text = await history(server.remote, "inspect", failed);
    assert.match(text, /^Error:\s+Unknown process "\/bin\/sh -c seq 1 30; exit 3" did not complete.*: exit code: 3$/m);
    assert.match(text, /^Dockerfile:3$[^]*^ +3 \| >>> RUN seq 1 30; exit 3$/m);
    assert.match(text, /^> => \[2\/2\] RUN seq 1 30; exit 3:\n(?:> \d+\n){16}/m);
    const { Status, Error: error } = await inspect(server.remote, failed);
    assert.equal(Status, "failed");
    assert.equal(error?.Name, "[2/2] RUN seq 1 30; exit 3");
    assert.deepEqual([error.Logs?.length, error.Logs?.at(-1)], [16, "30"]);
  });

  test("inspect attachment prints provenance, manifests, and any blob by its digest", async () => {
    const { Attachments = [] } = await inspect(server.remote, done);
    const provenance = await history(server.remote, "inspect", "attachment", "--type=provenance", done);
    const { buildDefinition } = JSON.parse(provenance) as { buildDefinition: { externalParameters: object } };
    assert.match(JSON.stringify(buildDefinition.externalParameters), /"build-arg:V":"1"/);
    for (const { Digest } of Attachments) {
      const text = await history(server.remote, "inspect", "attachment", done, Digest);
      assert.equal(`sha256:${createHash("sha256").update(text).digest("hex")}`, Digest);
    }
    const sbom = ["inspect", "attachment", "--type=sbom", done];
    const { code, stderr } = await server.remote.try(["buildx", "history", ...sbom]);
    assert.equal(code, 1);
    assert.match(stderr, /no matching attachment found/);
  });

  test("logs prints the output of a build, as text and as JSON", async () => {
    const { stdout, stderr } = await server.remote.run(["buildx", "history", "logs", done]);
    assert.match(printedOf(stdout + stderr, "RUN echo to remember"), /to remember 1\n.*a file\n?.*\nDONE/);
    const raw = await server.remote.run(["buildx", "history", "logs", "--progress=rawjson", done]);
    const messages = `${raw.stdout}${raw.stderr}`.trim().split("\n");
    assert.ok(messages.map((line) => JSON.parse(line) as object).some((message) => "vertexes" in message));
    assert.match(await history(server.remote, "logs", failed).catch(String), /^$|exit code: 3/);
  });

  test("trace prints the spans of a build", async (t) => {
    const help = await history(server.remote, "--help");
    if (!/^ +trace /m.test(help)) return t.skip("this buildx has no trace, as those of Debian");
    const text = await history(server.remote, "trace", done);
    const { data } = JSON.parse(text) as {
      data: [{ spans: { operationName: string; duration: number; references?: object[] }[] }];
    };
    const [{ spans }] = data;
    const names = spans.map(({ operationName }) => operationName).join("\n");
    assert.match(names, /^build\n[^]*^\[3\/3\] RUN echo to remember .*\n[^]*^exporting layers/m);
    for (const { references } of spans.slice(1)) assert.equal(references?.length, 1);
  });

  test("export writes one build, several or all", async () => {
    const one = at("one.dockerbuild");
    await history(server.remote, "export", "--finalize", "-o", one, done);
    const { folder, records } = await unpacked(one);
    assert.equal(records.length, 1);
    const [record = { mediaType: "", digest: "" }] = records;
    const blobs = await blobsOf(folder, record);
    assert.match(blobs.get("application/vnd.buildkit.status.v0")?.toString() ?? "", /to remember/);
    // buildx reads each span and writes it again.
    const trace = blobs.get("application/vnd.buildkit.otlp.json.v0")?.toString() ?? "";
    const spans = trace.split(/\n(?=\{)/).map((span) => JSON.parse(span) as { readonly Name: string });
    const names = spans.map(({ Name }) => Name).join("\n");
    assert.match(names, /^build\n[^]*^\[3\/3\] RUN echo to remember .*\n[^]*^exporting layers/m);
    const own = JSON.parse(blobs.get("application/vnd.buildkit.historyrecord.v0")?.toString() ?? "{}") as object;
    assert.equal((own as { Ref?: string }).Ref, done);
    const both = at("both.dockerbuild");
    await history(server.remote, "export", "-o", both, done, failed);
    const errors = await unpacked(both);
    assert.equal(errors.records.length, 2);
    const ofFailed = await blobsOf(errors.folder, errors.records[1] ?? record);
    assert.ok(ofFailed.has("application/vnd.googeapis.google.rpc.status+proto"));
    const all = at("all.dockerbuild");
    await history(server.remote, "export", "--all", "-o", all);
    assert.equal((await unpacked(all)).records.length, 2);
  });

  test("open asks for Docker Desktop's page of a build, and import needs Docker Desktop", async () => {
    const browser = at("bin/xdg-open");
    await mkdir(dirname(browser));
    await writeFile(browser, `#!/bin/sh\necho "$1" >${at("opened")}\n`);
    await chmod(browser, 0o755);
    const env = { PATH: `${at("bin")}:${process.env["PATH"]}` };
    await server.remote.run(["buildx", "history", "open", done], { env });
    assert.equal(await readFile(at("opened"), "utf8"), `docker-desktop://dashboard/build/varve/varve0/${done}\n`);
    const { code, stderr } = await server.remote.try(["buildx", "history", "import", "-f", at("one.dockerbuild")]);
    assert.equal(code, 1);
    assert.match(stderr, /Docker Desktop/);
  });

  test("a build is listed while it runs, and its logs are followed to the end", async () => {
    const go = at("go");
    const folder = await server.context(
      "running",
      `FROM BASE\nRUN --mount=type=cache,target=/c echo it runs; sleep 600\n`,
    );
    const child = server.remote.start(["buildx", "build", folder]);
    const outcome = finished(child);
    await untilPrinted(child, "it runs");
    const [ref = ""] = await refs(server.remote);
    assert.match(await history(server.remote, "ls", `--filter=ref=${ref}`), /running +Running/);
    assert.match(await history(server.remote, "inspect", ref), /Duration:.*\(running\)/);
    const logs = server.remote.start(["buildx", "history", "logs", ref]);
    const followed = finished(logs);
    await untilPrinted(logs, "it runs");
    child.kill("SIGINT");
    await outcome;
    const { stderr } = await followed;
    assert.match(printedOf(stderr, "RUN --mount"), /CANCELED/, go);
    assert.equal((await inspect(server.remote, ref)).Status, "canceled");
  });

  test("varve build with the server is listed while it runs, and afterwards with its output", async () => {
    const folder = await server.varve.context("own", `FROM ${server.base}\nRUN echo it runs; sleep 600\n`);
    const child = server.varve.start(["build", "--progress=plain", folder]);
    const outcome = finished(child);
    await untilPrinted(child, "it runs");
    const [ref = ""] = await refs(server.remote);
    assert.equal((await inspect(server.remote, ref)).Status, "running");
    const logs = server.remote.start(["buildx", "history", "logs", ref]);
    const followed = finished(logs);
    await untilPrinted(logs, "it runs");
    child.kill("SIGINT");
    await outcome;
    assert.match((await followed).stderr, /CANCELED/);
    const listed = await server.varve.run(["history", "builds", "--format=json", "--filter=status==canceled"]);
    const builds = JSON.parse(listed.stdout) as readonly { readonly ref: string }[];
    assert.equal(builds[0]?.ref, ref);
  });

  test("buildctl lists builds, and prints logs, traces and blobs", async (t) => {
    const buildctl = buildkitProgram("buildctl");
    if (buildctl === undefined) return t.skip("buildctl is not installed");
    const address = server.server.addresses.find((each) => each.includes("b.sock")) ?? "";
    const debug = async (...args: readonly string[]): Promise<string> =>
      await sh(buildctl, "--addr", address, "debug", ...args);
    assert.match(await debug("histories"), new RegExp(`^COMPLETE\\s+${done}\\s`, "m"));
    assert.match(await debug("logs", "--progress=plain", done), /to remember 1/);
    assert.match(await debug("logs", "--trace", done), /"Name": "build"/);
    const { Attachments = [] } = await inspect(server.remote, done);
    assert.match(await debug("get", Attachments.find(({ Type }) => Type === PROVENANCE)?.Digest ?? ""), /buildType/);
  });

  test("rm removes builds, and an unknown one is an error", async () => {
    await history(server.remote, "rm", failed);
    assert.equal((await refs(server.remote)).includes(failed), false);
    const { code, stderr } = await server.remote.try(["buildx", "history", "rm", failed]);
    assert.equal(code, 1);
    assert.match(stderr, /not found/);
    await history(server.remote, "rm", "--all");
    assert.deepEqual(await refs(server.remote), []);
    const listed = await server.varve.run(["history", "builds", "--format=json"]);
    assert.deepEqual(JSON.parse(listed.stdout), []);
  });

  test("varve buildkitd has the same", async () => {
    const address = `unix://${at("d.buildkitd.sock")}`;
    const root = at("buildkitd");
    await using _server = await startServing(server.varve, ["buildkitd", "--root", root, "--addr", address]);
    const clients = await remoteClients(at("buildkitd-clients"), address);
    const folder = await server.varve.context("scratch", "FROM scratch\nCOPY f /f\n", { f: "f" });
    const ref = await build(clients, folder, "-o", `type=oci,dest=${at("scratch.tar")}`);
    assert.deepEqual(await refs(clients, "status=completed"), [ref]);
    assert.match(await history(clients, "inspect", "attachment", "--type=provenance", ref), /buildDefinition/);
    await history(clients, "export", "-o", at("scratch.dockerbuild"), ref);
    assert.equal((await unpacked(at("scratch.dockerbuild"))).records.length, 1);
    await history(clients, "rm", ref);
    assert.deepEqual(await refs(clients), []);
  });
});
