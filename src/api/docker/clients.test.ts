import { build } from "../../engine/index.ts";
import { pullImage } from "../../images/index.ts";
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { type DockerServer, messagesOf, startDockerServer } from "../../../testing/docker-server.ts";
import { newerDocker } from "../../../testing/dockerd.ts";
import { peersMissing } from "../../../testing/peers.ts";
import { type RegistryServer, TEST_USER, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { pushRawImage, rawImage, rawLayout } from "../../../testing/raw-images.ts";
import { finished } from "../../../testing/varve.ts";
import { digestOf, formatPlatform, hostPlatform, isVarveError } from "../../core/index.ts";
import { bytesOf, collect } from "../../io/index.ts";
import { extractArchive, writeTar } from "../../layer/index.ts";

const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("../../../testing/docker-clients.py", import.meta.url));
const newer = newerDocker();

async function archive(path: string): Promise<Buffer> {
  return await collect(writeTar([{ path, mode: 0o644, body: path }]), 1 << 20, { what: "a test's archive" });
}

describe("clients of Docker", { skip: peersMissing("docker") ?? registryMissing() }, () => {
  let server: DockerServer;
  let registry: RegistryServer;
  let guarded: RegistryServer;
  before(async () => {
    [server, registry, guarded] = await Promise.all([
      startDockerServer(),
      startRegistry(),
      startRegistry({ auth: "htpasswd" }),
    ]);
    const name = encodeURIComponent(`${registry.host}/app`);
    await server.ask("POST", `/images/create?fromSrc=-&repo=${name}&tag=1&message=app`, { body: await archive("app") });
    const pushed = await server.ask("POST", `/images/${registry.host}/app/push?tag=1`, {
      headers: { "x-registry-auth": "e30=" },
    });
    assert.match(pushed.text, /"aux":\{"Tag":"1","Digest":"sha256:[0-9a-f]{64}","Size":\d+\}/);
  });
  after(async () => {
    for (const each of [server, registry, guarded]) await each?.[Symbol.asyncDispose]();
  });

  const programs = [
    ["docker of this system", "/usr/bin/docker"],
    ["a newer docker", newer === undefined ? undefined : join(newer, "usr/bin/docker")],
  ] as const;
  for (const [what, program] of programs)
    test(
      `${what} does everything with images`,
      { skip: program === undefined && "it cannot be had here" },
      async () => {
        const run = async (...args: string[]): Promise<string> => {
          const { code, stdout, stderr } = await server.docker(args, { program: program ?? "" });
          assert.equal(code, 0, `docker ${args.join(" ")}: ${stderr}${stdout}`);
          return stdout;
        };
        const app = `${registry.host}/app:1`;
        assert.match(await run("version"), /Server: ?Varve|Server:/);
        assert.equal(await run("info", "--format", "{{.OSType}} {{.Driver}}"), "linux varve\n");
        await run("rmi", app);
        assert.match(
          await run("pull", app),
          /Pulling from app\n(?:[0-9a-f]{12}: .*\n)*Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for /,
        );
        assert.match(await run("pull", app), /Status: Image is up to date for /);
        const id = (await run("images", "-q", "--no-trunc", app)).trim();
        assert.match(id, /^sha256:[0-9a-f]{64}$/);
        assert.match(await run("images"), /app +1 +[0-9a-f]{12}/);
        assert.equal(
          await run("inspect", "--format", "{{.Id}} {{index .RepoDigests 0}}", app).then((text) =>
            text.startsWith(`${id} ${registry.host}/app@sha256:`),
          ),
          true,
        );
        assert.match(await run("history", app), /app\n$/);
        await run("tag", app, `${registry.host}/copy:2`);
        assert.match(await run("push", `${registry.host}/copy:2`), /2: digest: sha256:[0-9a-f]{64} size: \d+/);
        const file = join(server.folder, "saved.tar");
        await run("save", "-o", file, app, `${registry.host}/copy:2`);
        assert.match(await run("rmi", `${registry.host}/copy:2`), /Untagged: /);
        assert.match(await run("rmi", app), /Deleted: sha256:/);
        assert.deepEqual(
          (await run("load", "-i", file)).trim().split("\n"),
          [app, `${registry.host}/copy:2`].map((name) => `Loaded image: ${name}`),
        );
        assert.equal((await run("images", "-q", "--no-trunc", app)).trim(), id);
        assert.match(await run("system", "df"), /Images +1/);
        assert.match(await run("image", "prune", "-f"), /Total reclaimed space: 0B/);
        assert.match(
          await run("events", "--since", "1", "--until", String(Date.now() / 1000 + 0.01)),
          / image load sha256:/,
        );
        assert.match(await run("system", "prune", "-f"), /Total reclaimed space/);
        assert.equal(await run("ps", "-aq"), "");
        const missing = await server.docker(["inspect", "nope"], { program: program ?? "" });
        assert.deepEqual([missing.code, /No such object: nope/i.test(missing.stderr)], [1, true]);
        const unpullable = await server.docker(["pull", `${registry.host}/app:9`], { program: program ?? "" });
        assert.match(unpullable.stderr, /manifest for .*app:9 not found: manifest unknown/);
        const container = await server.docker(["run", app, "true"], { program: program ?? "" });
        assert.match(container.stderr, /runs no containers/);
      },
    );

  for (const [what, program] of programs)
    test(`${what} builds an image from its arguments`, { skip: program === undefined && "not here" }, async () => {
      const folder = join(server.folder, `context-${what.length}`);
      await mkdir(join(folder, "d/e"), { recursive: true });
      await writeFile(join(folder, "d/e/f"), "not a whole block");
      const dockerfile = join(server.folder, "Outside");
      await writeFile(dockerfile, "FROM scratch\nCOPY d /\n");
      const tar = await collect(
        writeTar([
          { path: "f", body: "f" },
          { path: "Dockerfile", body: "FROM scratch\nCOPY f /\n" },
        ]),
        1 << 20,
        { what: "a context" },
      );
      // The client's archives have no end-of-archive blocks: it appends the Dockerfile and stops.
      const builds: readonly (readonly [args: readonly string[], input: string | Uint8Array, error?: RegExp])[] = [
        [["-f", "-", folder], "FROM scratch\nCOPY . /\n"],
        [["-f", dockerfile, folder], ""],
        [["-"], "FROM scratch\nLABEL alone=1\n"],
        [["-"], tar],
        [["-"], tar.subarray(0, 2048 - 400)],
        [["-"], gzipSync(tar)],
        [["-"], Buffer.concat([gzipSync(tar), Buffer.from("more")])],
        [["-"], tar.subarray(0, 1030), /unexpected EOF/],
        [["-"], gzipSync(tar).subarray(0, -9), /unexpected EOF/],
      ];
      for (const [args, input, error] of builds) {
        const { code, stderr } = await server.docker(["build", "-q", ...args], { program: program ?? "", input });
        assert.equal(code, error === undefined ? 0 : 1, `${args.join(" ")}: ${stderr}`);
        assert.match(stderr, error ?? /^(?!.*rror)/s);
      }
    });

  test("every operation that adds an image rejects an invalid one and keeps none of its blobs", async () => {
    const rootfs = (...ids: readonly string[]): object => ({ rootfs: { type: "layers", diff_ids: ids } });
    const configs: readonly (readonly [what: string, config: (diffId: string) => unknown, RegExp])[] = [
      ["null", () => null, /: it is not a JSON object$/],
      ["a list", () => [], /: it is not a JSON object$/],
      [
        "numbers for Env",
        (id) => ({ config: { Env: [1] }, ...rootfs(id) }),
        /: its field config\.Env\.0 is not a string$/,
      ],
      ["more diffIDs", (id) => rootfs(id, id), /: it has 1 layers, and its config sha256:[0-9a-f]{64} 2 diffIDs$/],
      ["no diffIDs", () => ({}), /: it has 1 layers, and its config sha256:[0-9a-f]{64} 0 diffIDs$/],
    ];
    const names = server.store.images.list().length;
    for (const [index, [what, config, message]] of configs.entries()) {
      const layer = await archive(`unusable ${index}`);
      const diffId = digestOf(layer);
      const image = rawImage(JSON.stringify(config(diffId)), [layer]);
      const [name, blob] = [`${registry.host}/unusable:${index}`, digestOf(image.config)];
      await pushRawImage(registry.host, "unusable", String(index), image);
      const refused = (error: unknown): boolean =>
        isVarveError(error, "corrupt") && message.test(error.message) && error.message.includes(blob);
      await assert.rejects(pullImage(server.store, name), refused, what);
      const folder = join(server.folder, `from-unusable-${index}`);
      await mkdir(folder);
      await writeFile(join(folder, "Dockerfile"), `FROM ${name}\nCOPY Dockerfile /\n`);
      const built = build({ store: server.store, context: { kind: "directory", path: folder }, outputs: [] });
      await assert.rejects(built, (error: Error) => message.test(error.message) && error.message.includes(name), what);
      const pulled = await server.ask("POST", `/images/create?fromImage=${encodeURIComponent(name)}`);
      assert.equal(pulled.status, 500, what);
      assert.match((JSON.parse(pulled.text) as { message: string }).message, message);
      assert.equal(server.store.content.info(diffId), undefined, what);
      const loaded = await server.ask("POST", "/images/load", { body: await rawLayout(name, image) });
      assert.match(String(messagesOf(loaded)[0]?.["error"]), message, what);
      const directory = join(server.folder, `layout-${index}`);
      await mkdir(directory);
      await extractArchive({ bytes: bytesOf(await rawLayout(name, image)) }, directory);
      const buildContexts = { base: `oci-layout://${directory}` };
      await writeFile(join(folder, "Dockerfile"), "FROM base\nCOPY Dockerfile /\n");
      await assert.rejects(
        build({ store: server.store, context: { kind: "directory", path: folder }, buildContexts, outputs: [] }),
        (error: Error) => message.test(error.message) && error.message.includes(blob),
        what,
      );
    }
    assert.equal(server.store.images.list().length, names);
    await server.store.content.collect();
    for (const index of configs.keys())
      assert.equal(server.store.content.info(digestOf(await archive(`unusable ${index}`))), undefined);
  });

  test("a history with more entries than layers is accepted, as by containerd and BuildKit", async () => {
    const layer = await archive("long-history");
    const config = { rootfs: { type: "layers", diff_ids: [digestOf(layer)] }, history: [{}, {}, { comment: "third" }] };
    await pushRawImage(registry.host, "history", "1", rawImage(JSON.stringify(config), [layer]));
    const pulled = await server.ask("POST", `/images/create?fromImage=${registry.host}/history&tag=1`);
    assert.equal(messagesOf(pulled).at(-1)?.["error"], undefined, pulled.text);
    const rows = JSON.parse((await server.ask("GET", `/images/${registry.host}/history:1/history`)).text) as unknown[];
    assert.equal(rows.length, 3);
  });

  test("a request uses its own credentials only (E33)", async () => {
    const { username, password } = TEST_USER;
    const login = async (secret: string): Promise<string> => {
      const { code, stdout, stderr } = await server.docker(
        ["login", "-u", username, "--password-stdin", guarded.host],
        { input: secret },
      );
      return `${code} ${stdout}${stderr}`;
    };
    const name = `${guarded.host}/private:1`;
    await server.docker(["tag", `${registry.host}/app:1`, name]);
    assert.notEqual((await server.docker(["push", name])).code, 0);
    assert.match(await login("wrong"), /^1 .*unauthorized|^1 .*401/is);
    assert.match(await login(password), /^0 .*Login Succeeded/s);
    assert.equal((await server.docker(["push", name])).code, 0);
    const bare = await server.ask("POST", `/images/create?fromImage=${encodeURIComponent(name)}`);
    assert.equal(bare.status, 404);
    assert.match(
      bare.text,
      /pull access denied for .*private, repository does not exist or may require 'docker login'/,
    );
    assert.equal((await server.docker(["pull", name])).code, 0);
    const auth = await server.ask("POST", "/auth", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password, serveraddress: registry.host }),
    });
    assert.equal(auth.text, '{"IdentityToken":"","Status":"Login Succeeded"}\n');
  });

  test("a pull reports progress of each layer, and /distribution describes an image (E25, E26)", async () => {
    const from = encodeURIComponent(`${registry.host}/app`);
    for (const { Id } of JSON.parse((await server.ask("GET", "/images/json")).text) as { Id: string }[])
      await server.ask("DELETE", `/images/${Id}?force=1`);
    await server.ask("POST", "/images/prune");
    const first = messagesOf(await server.ask("POST", `/images/create?fromImage=${from}&tag=1`));
    const id = first[1]?.["id"];
    assert.match(String(id), /^[0-9a-f]{12}$/);
    const told = first.filter((message) => message["id"] === id).map((message) => message["status"]);
    assert.deepEqual(told.filter((status, at) => status !== "Downloading" || told[at - 1] !== status).slice(-3), [
      "Verifying Checksum",
      "Download complete",
      "Pull complete",
    ]);
    assert.equal(told[0], "Pulling fs layer");
    const again = messagesOf(await server.ask("POST", `/images/create?fromImage=${from}&tag=1`));
    assert.deepEqual(
      again.map((message) => message["status"]),
      ["Pulling from app", first.at(-2)?.["status"], `Status: Image is up to date for ${registry.host}/app:1`],
    );
    const digest = String(first.at(-2)?.["status"]).replace("Digest: ", "");
    const pinned = messagesOf(await server.ask("POST", `/images/create?fromImage=${from}&tag=${digest}`));
    assert.deepEqual(pinned, [
      { status: "Pulling from app", id: `${registry.host}/app@${digest}` },
      { status: `Digest: ${digest}` },
      { status: `Status: Image is up to date for ${registry.host}/app@${digest}` },
    ]);
    assert.deepEqual((await server.ask("POST", `/images/create?fromImage=${from}&tag=9`)).status, 404);
    const there = JSON.parse((await server.ask("GET", `/distribution/${registry.host}/app:1/json`)).text) as {
      Descriptor: { digest: string };
      Platforms: object[];
    };
    assert.equal(`Digest: ${there.Descriptor.digest}`, first.at(-2)?.["status"]);
    assert.equal(there.Platforms.length, 1);
    assert.equal(
      (await server.ask("GET", `/distribution/${registry.host}/app:9/json`)).text,
      '{"message":"manifest unknown: manifest unknown"}\n',
    );
  });

  test("a single-platform image is pulled for any platform, with a warning", async () => {
    const from = encodeURIComponent(`${registry.host}/app`);
    const last = async (query: string): Promise<unknown> =>
      messagesOf(await server.ask("POST", `/images/create?fromImage=${from}&tag=1${query}`)).at(-1)?.["status"];
    const upToDate = `Status: Image is up to date for ${registry.host}/app:1`;
    await last("");
    const own = formatPlatform(hostPlatform());
    assert.deepEqual(await Promise.all(["", `&platform=${own}`].map(last)), [upToDate, upToDate]);
    assert.equal(
      await last("&platform=linux/sparc"),
      `WARNING: image with reference ${registry.host}/app:1 was found but its platform (${own}) does not match the specified platform (linux/sparc)`,
    );
  });

  test("docker-py pulls, pushes, saves, loads, lists and prunes", async (t) => {
    const probe = await finished(server.start(PYTHON, ["-c", "import docker"]));
    if (probe.code !== 0) return t.skip("python3-docker is not installed");
    const { code, stdout, stderr } = await finished(server.start(PYTHON, [SCRIPT, registry.host]));
    assert.equal(code, 0, stderr);
    const seen = JSON.parse(stdout) as Record<string, unknown>;
    const { push, ...rest } = seen;
    assert.equal((push as object[]).length, 1);
    assert.deepEqual(rest["unpullable"], 404);
    assert.deepEqual(
      [rest["ping"], rest["api"], rest["again"], rest["data"], rest["filtered"]],
      [true, "1.51", true, true, 0],
    );
    assert.deepEqual(rest["history"], [""]);
    assert.ok((rest["listed"] as string[]).includes(`${registry.host}/app:1`));
    assert.match(String(rest["missing"]), /No such image: nope/);
  });

  test("dockerode does the same without an API version", async () => {
    const docker = new Docker({ socketPath: server.socket });
    const follow = async (
      stream: NodeJS.ReadableStream,
    ): Promise<{ status?: string; aux?: unknown; error?: string }[]> => {
      const { promise, resolve, reject } = Promise.withResolvers<{ status?: string }[]>();
      docker.modem.followProgress(stream, (error, messages) =>
        error ? reject(error) : resolve(messages as { status?: string }[]),
      );
      return await promise;
    };
    assert.equal(String(await docker.ping()), "OK");
    const name = `${registry.host}/app:1`;
    assert.match(String((await follow(await docker.pull(name))).at(-1)?.status), /Status: /);
    await docker.getImage(name).tag({ repo: `${registry.host}/node`, tag: "3" });
    const copy = docker.getImage(`${registry.host}/node:3`);
    assert.equal(
      (await follow(await copy.push({ tag: "3" }))).filter((message) => message.aux !== undefined).length,
      1,
    );
    assert.equal((await copy.inspect()).Id, (await docker.getImage(name).inspect()).Id);
    const kept = new PassThrough();
    const saved = collect(kept, 1 << 24, { what: "the archive" });
    await pipeline(await copy.get(), kept);
    const file = join(server.folder, "node.tar");
    await writeFile(file, await saved);
    await copy.remove();
    const loaded = await follow(await docker.loadImage(createReadStream(file)));
    assert.deepEqual(loaded, [{ stream: `Loaded image: ${registry.host}/node:3\n` }]);
    assert.ok((await docker.listImages({ filters: { reference: [`${registry.host}/node`] } })).length === 1);
    assert.equal((await docker.info()).OSType, "linux");
    await assert.rejects(docker.getImage("nope").inspect(), { statusCode: 404 });
  });
});
