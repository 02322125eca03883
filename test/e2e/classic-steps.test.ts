import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { once } from "node:events";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { controllers } from "../../testing/controllers.ts";
import { gitMissing, startGitServer } from "../../testing/git-server.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { messagesOf } from "../../testing/docker-server.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const enc = encodeURIComponent;

/** A server of one test, with its URL; it goes with the scope. */
async function serve(answer: RequestListener): Promise<Disposable & { readonly url: string }> {
  const http = createServer(answer).listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      http.closeAllConnections();
      http.close();
    },
  };
}

/** Waits until no step of a build runs any more. */
async function untilIdle({ server: { folder } }: ClassicBuilder): Promise<void> {
  for (let left = 100; left > 0 && findMounts(folder).length > 0; left -= 1) await sleep(50);
  assert.deepEqual(findMounts(folder), []);
}

function findMounts(folder: string): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(folder));
}

describe("steps of the classic builder", { skip: buildsUnavailable("docker") }, () => {
  let builder: ClassicBuilder;
  before(async () => {
    builder = await ClassicBuilder.open();
  });
  after(() => builder?.[Symbol.asyncDispose]());

  const newest = async (name: string): Promise<string> => (await builder.history(name))[0]?.CreatedBy ?? "";

  test("a file's hash is Docker's (B1, test vectors)", async () => {
    const files = [
      { path: "a.txt", body: "a\n" },
      { path: "b.txt", body: "b\n" },
      { path: "dir", type: "directory", mode: 0o755 },
      { path: "dir/c.txt", body: "c\n" },
      { path: "dir/sub", type: "directory", mode: 0o755 },
      { path: "dir/sub/d.txt", body: "d\n" },
      { path: "link", type: "symlink", linkPath: "a.txt" },
      { path: "one", body: "one\n" },
    ] as const;
    const dockerfile =
      "FROM {base}\nCOPY one /one\nCOPY a.txt b.txt /m/\nCOPY dir /d\nCOPY link /\nRUN test -f /link && test ! -L /link\n";
    await builder.build(dockerfile, "t=vectors", files);
    const texts = (await builder.history("vectors")).map(({ CreatedBy }) => CreatedBy);
    const text = (rest: string): string => `/bin/sh -c #(nop) COPY ${rest} `;
    assert.equal(texts[4], text("file:15034472e2e0486dab8893df7038832974e3859fa414622cccc38d4bf9454a37 in /one"));
    assert.equal(texts[3], text("multi:59e3963f5e7d6137120d6afcd1a6ca6a02dfe35f6ed41d7b8cbee2bf80896577 in /m/"));
    assert.equal(texts[2], text("dir:7bf6610e8510c34cfde0da290cfb32beea8e3b72cce1643164c7d04a995dbe8f in /d"));
    // B21: a link is what it leads to, under its own name.
    assert.equal(texts[1], text("file:a596f0888def06c3cad1442667ede22d419985a1c8a3155b838b650c4cf52ecc in /"));
  });

  test("files of a stage are hashed with their owners", async () => {
    const dockerfile =
      "FROM {base}\nRUN mkdir /own && printf 'a\\n' >/own/a.txt && chmod 755 /own && chown -R 1:2 /own\nFROM {base}\nCOPY --from=0 /own /own\n";
    await builder.build(dockerfile, "t=own");
    assert.match(await newest("own"), /COPY dir:9f91abe9073321e7204762f35a38c2f192405ae860a1a00ddfdbd826fa35b985 in/);
  });

  test("arguments come before a command, but for proxies that nobody declares (B5, B6)", async () => {
    const args = enc(JSON.stringify({ V1: "v1val", V4: "four" }));
    const dockerfile = "FROM {base}\nARG V1\nARG V2=def2\nARG V4\nRUN true\n";
    await builder.build(dockerfile, `t=args&buildargs=${args}`);
    assert.equal(await newest("args"), "|3 V1=v1val V2=def2 V4=four /bin/sh -c true");
    const proxy = (value: string): string => `t=proxy&buildargs=${enc(JSON.stringify({ HTTP_PROXY: value }))}`;
    await builder.build("FROM {base}\nRUN true\n", proxy("http://one"));
    assert.equal(await newest("proxy"), "|0 /bin/sh -c true");
    assert.equal((await builder.build("FROM {base}\nRUN true\n", proxy("http://two"))).hits, 1);
  });

  test("another value of an argument busts the command, not the declaration (B7)", async () => {
    const dockerfile = "FROM {base}\nARG X\nRUN echo $X > /x\n";
    const given = (x: string): string => `buildargs=${enc(JSON.stringify({ X: x }))}`;
    await builder.build(dockerfile, given("1"));
    assert.equal((await builder.build(dockerfile, given("2"))).hits, 1);
    assert.equal((await builder.build(dockerfile, given("1"))).hits, 2);
  });

  test("each stage tells its image (B14), a failure its status (B15), a quiet build its id alone (B16)", async () => {
    const two = await builder.build("FROM {base} AS a\nENV A=1\nFROM {base}\nENV B=1\n");
    assert.equal(messagesOf(two).filter(({ aux }) => aux !== undefined).length, 2);
    const failed = await builder.build("FROM {base}\nRUN exit 7\n");
    assert.deepEqual(failed.error, { code: 7, message: "The command '/bin/sh -c exit 7' returned a non-zero code: 7" });
    assert.doesNotMatch(failed.printed, /Removed intermediate/);
    const forced = await builder.build("FROM {base}\nRUN exit 7\n", "forcerm=1");
    assert.match(forced.printed, /Removed intermediate/);
    const kept = await builder.build("FROM {base}\nRUN echo kept\nENV K=1\n", "rm=0");
    assert.equal(kept.printed.match(/Running in/g)?.length, 2);
    assert.doesNotMatch(kept.printed, /Removed intermediate/);
    const quiet = await builder.build("FROM {base}\nENV Q=1\n", "q=1");
    assert.match(quiet.text, /^\{"stream":"sha256:[0-9a-f]{64}\\n"\}\r\n$/);
    const loud = await builder.build("FROM {base}\nRUN echo loud; exit 3\n", "q=1");
    assert.match(loud.printed, /Step 2\/2.*loud/s);
    assert.equal(loud.error?.code, 3);
  });

  test("what is wrong with a Dockerfile is the response's status (B17); tags too", async () => {
    const statuses = async (dockerfile: string, query = ""): Promise<number> =>
      (await builder.build(dockerfile, query)).status;
    assert.equal(await statuses("FROM {base}\nFETCH x\n"), 400);
    assert.equal(await statuses("FROM {base}\nENV A=1\n", "target=nope"), 400);
    assert.equal(await statuses("FROM {base}\n", "t=UPPER"), 500);
    assert.equal(await statuses("FROM {base}\n", `t=${enc(`a@sha256:${"0".repeat(64)}`)}`), 500);
    assert.equal(await statuses("FROM {base}\n", "dockerfile=../x"), 500);
    const empty = await builder.server.ask("POST", "/build");
    assert.deepEqual(
      [empty.status, empty.text],
      [500, '{"message":"Cannot locate specified Dockerfile: Dockerfile"}\n'],
    );
    assert.equal((await builder.server.ask("POST", "/build", { body: "junk" })).status, 500);
  });

  test("Dockerfiles that need BuildKit are built by the engine", async () => {
    const dockerfile = `ARG FROM={base}
FROM $FROM AS made
RUN <<E
  mkdir /made
  echo "$TARGETARCH" > /made/arch
E
FROM {base}
COPY --link --chmod=600 file /file
ARG TARGETARCH
RUN --mount=type=secret,id=word,env=WORD --mount=from=made,source=/made,target=/m test -f /m/arch && echo "$WORD" | wc -c
CMD ["true"]
`;
    const files = { file: "x" };
    const body = await builder.archive({ ...files, Dockerfile: dockerfile.replaceAll("{base}", CLASSIC_BASE) });
    const headers = { "x-varve-secrets": JSON.stringify({ word: Buffer.from("abc").toString("base64") }) };
    const query = `networkmode=none&t=full:1&labels=${encodeURIComponent('{"k":"v"}')}`;
    const printed = messagesOf(await builder.server.ask("POST", `/build?${query}`, { body, headers }))
      .map(({ stream }) => (typeof stream === "string" ? stream : ""))
      .join("");
    assert.match(printed, /^Step 1\/9 : ARG FROM=.*\nStep 2\/9 : FROM \$FROM AS made\nStep 3\/9 : RUN <<E\n/);
    assert.match(printed, /\nStep 7\/9 : RUN --mount.*\n ---> Running in [0-9a-f]{12}\n4\nStep 8\/9 : CMD/);
    assert.match(
      printed,
      /\nStep 9\/9 : LABEL k=v\n ---> [0-9a-f]{12}\nSuccessfully built [0-9a-f]{12}\nSuccessfully tagged full:1\n$/,
    );
    const { Id, Config } = await builder.inspect("full:1");
    assert.deepEqual([Config.Cmd, Config["Labels"]], [["true"], { k: "v" }]);

    const again = await builder.build(dockerfile, "t=full:2", files);
    assert.deepEqual([again.hits, again.error], [3, undefined]);
    const quiet = await builder.build(dockerfile, `q=1&labels=${encodeURIComponent('{"k":"v"}')}`, files);
    assert.equal(quiet.printed, `${Id}\n`);
    // The classic builder builds on the image.
    assert.match((await builder.build("FROM full:1\nENV A=1\n")).printed, /^Step 1\/2.*\n ---> /);
  });

  test("errors of builds by the engine", async () => {
    const mount = "RUN --mount=type=tmpfs,target=/t";
    const failed = await builder.build(`FROM {base}\n${mount} echo why; exit 7\n`, "q=1");
    assert.match(failed.printed, /Step 2\/2.*\n.*\nwhy\n/);
    assert.deepEqual(failed.error, { code: 7, message: "The command 'echo why; exit 7' returned a non-zero code: 7" });
    const { status, text } = await builder.build(`FROM {base}\n${mount} true\n`, "squash=1");
    assert.deepEqual([status, text.includes("uses RUN --mount, which")], [501, true]);
    const secret = await builder.build("FROM {base}\nRUN --mount=type=secret,id=s,required true\n");
    assert.match(secret.error?.message ?? "", /secret s: not found \(send it in the header X-Varve-Secrets\)/);
    assert.equal((await builder.build("FROM {base}\nRUN --mount=type=none true\n")).status, 400);
    const headers = { "x-varve-secrets": '{"s":"not base64"}' };
    const malformed = await builder.server.ask("POST", "/build", { headers });
    assert.deepEqual([malformed.status, malformed.text.includes("not base64")], [400, false]);
  });

  test("a trigger of the base image that needs BuildKit", async () => {
    const trigger = "ONBUILD RUN --mount=type=tmpfs,target=/t echo triggered > /triggered";
    assert.equal((await builder.build(`FROM {base}\n${trigger}\n`, "t=trigger:1")).error, undefined);
    const { printed, error } = await builder.build("FROM trigger:1\nRUN cat /triggered\n");
    assert.equal(error, undefined);
    assert.match(printed, /Step 2\/2 : RUN cat \/triggered\n ---> Running in .*\ntriggered\n/);
  });

  test("RUN of nothing runs what the image runs", async () => {
    const told = async (dockerfile: string): Promise<unknown> => {
      const { error } = await builder.build(`FROM {base}\n${dockerfile}\n`);
      return error === undefined ? "built" : [error.message, error.code];
    };
    assert.equal(await told("RUN []"), "built");
    assert.equal(await told('ENTRYPOINT ["true"]\nRUN []'), "built");
    assert.deepEqual(await told('CMD ["false"]\nRUN []'), ["The command 'false' returned a non-zero code: 1", 1]);
    assert.deepEqual(await told('ENTRYPOINT ["false"]\nRUN []'), ["The command '' returned a non-zero code: 1", 1]);
    assert.deepEqual(await told("ARG A=b\nRUN []"), ["no command specified", undefined]);
  });

  test("a file in the way of a volume or of WORKDIR fails each step that has a container", async () => {
    const told = async (dockerfile: string): Promise<readonly unknown[]> => {
      const { error, printed } = await builder.build(`FROM {base}\n${dockerfile}\n`);
      return [printed.match(/Step /g)?.length, error?.message];
    };
    const volume = (path: string): string => `cannot mount volume over existing file, file exists ${path}`;
    const copied = "COPY Dockerfile /file";
    for (const again of ["", " "]) {
      assert.deepEqual(await told(`${copied}\nVOLUME /file${again}`), [3, volume("/file")]);
      assert.deepEqual(await told(`VOLUME /file\n${copied}`), [3, undefined]);
      assert.deepEqual(await told(`VOLUME /file\n${copied}\nENV a=b${again}`), [4, volume("/file")]);
      assert.deepEqual(await told(`VOLUME /file\n${copied}\nRUN true${again}`), [4, volume("/file")]);
    }
    assert.deepEqual(await told("RUN ln -s /etc/passwd /l\nVOLUME /l"), [3, volume("/l")]);
    assert.deepEqual(await told("VOLUME /etc/passwd/v"), [2, "lstat /etc/passwd/v: not a directory"]);
    assert.deepEqual(await told("WORKDIR /etc/passwd"), [2, "Cannot mkdir: /etc/passwd is not a directory"]);
    assert.deepEqual(await told("COPY . /etc/passwd"), [2, "failed to copy files: mkdir /etc/passwd: not a directory"]);
    assert.deepEqual(await told("WORKDIR /x\nRUN cd / && rmdir x && touch x\nENV a=b"), [
      4,
      "Cannot mkdir: /x is not a directory",
    ]);
  });

  test("limits of the request hold for its steps", async () => {
    const memory = 64 * 1_048_576;
    const { printed } = await builder.build(
      "FROM {base}\nRUN cd /sys/fs/cgroup; cat memory.max memory/memory.memsw.limit_in_bytes cpuset.cpus cpuset/cpuset.cpus 2>/dev/null; true\n",
      `memory=${memory}&cpusetcpus=0`,
    );
    const lines = printed.split("\n");
    if (controllers().has("memory")) assert.ok(lines.includes(`${memory}`) || lines.includes(`${2 * memory}`), printed);
    if (controllers().has("cpuset")) assert.ok(lines.includes("0"), printed);
    for (const [query, message] of [
      ["memory=4096", "Minimum memory limit allowed is 6MB"],
      [`memory=${memory}&memswap=1`, "Minimum memoryswap limit should be larger than memory limit, see usage"],
      ["memswap=1", "You should always set the Memory limit when using Memoryswap limit, see usage"],
      ["cpuquota=1", "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
    ] as const) {
      assert.equal((await builder.build("FROM {base}\nENV limited=1\n", query)).error?.message, message);
      assert.equal((await builder.build("FROM {base}\nCOPY Dockerfile /limited\n", query)).error, undefined);
    }
  });

  test("labels of the request are the last steps, as they are (B19)", async () => {
    const labels = enc(JSON.stringify({ b: "$x", a: "1" }));
    const { printed } = await builder.build("FROM {base}\nENV x=1\n", `t=labels&labels=${labels}`);
    assert.match(printed, /Step 3\/4 : LABEL a=1\n.*Step 4\/4 : LABEL b=\$x\n/s);
    assert.equal((await builder.inspect("labels")).Config["Labels"] instanceof Object, true);
  });

  test("contexts may be compressed; only the Dockerfile and the ignore file are taken out (B28, B29)", async () => {
    const files = {
      Dockerfile: `FROM ${CLASSIC_BASE}\nCOPY . /all\nRUN ls -A /all\n`,
      ".dockerignore": "Dockerfile\n.dockerignore\nkept\n",
      kept: "x",
    };
    const archive = await builder.archive(files);
    const plain = await builder.send(archive);
    assert.match(plain.printed, /Running in [0-9a-f]+\nkept\n ---> Removed/);
    assert.equal((await builder.send(gzipSync(archive))).hits, 2);
    assert.equal((await builder.send(zstdCompressSync(archive))).hits, 2);
  });

  test("a context is an archive, whole but for its end (a zero block, a last padding)", async () => {
    const tar = await builder.archive({ Dockerfile: "FROM scratch\nCOPY f /\n", f: "text" });
    const bodies: readonly (readonly [Uint8Array, number, RegExp])[] = [
      [tar.subarray(0, 1536 + 4), 200, /Successfully built/],
      [Buffer.concat([gzipSync(tar), Buffer.alloc(7)]), 200, /Successfully built/],
      [Buffer.alloc(0), 500, /Cannot locate specified Dockerfile/],
      [Buffer.alloc(1024), 500, /Cannot locate specified Dockerfile/],
      [tar.subarray(0, 1536 + 3), 500, /unexpected EOF/],
      [gzipSync(tar).subarray(0, 30), 500, /unexpected EOF/],
      [Buffer.from("FROM scratch\n"), 500, /unexpected EOF/],
    ];
    for (const [body, status, text] of bodies) {
      const answer = await builder.send(body);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, text);
    }
  });

  test("archives are unpacked by ADD (B24, B25), never by COPY", async () => {
    const tar = await builder.archive({ inside: "x" });
    const files = [
      { path: "t.tar.gz", body: gzipSync(tar) },
      { path: "t.tar.zst", body: zstdCompressSync(tar) },
      { path: "followed.tar.gz", body: Buffer.concat([gzipSync(tar), Buffer.from("more")]) },
      { path: "cut.tar.gz", body: gzipSync(tar).subarray(0, -1) },
    ];
    const dockerfile =
      "FROM {base}\nADD t.tar.gz /gz\nADD t.tar.zst /zst\nADD followed.tar.gz /more\nCOPY t.tar.gz /copy/\nRUN test -f /gz/inside -a -f /zst/inside -a -f /more/inside -a -f /copy/t.tar.gz\n";
    assert.equal((await builder.build(dockerfile, "", files)).error, undefined);
    const { error } = await builder.build("FROM scratch\nADD cut.tar.gz /\n", "", files);
    assert.match(error?.message ?? "", /cut\.tar\.gz: it is cut short/);
  });

  test("a download is root's, mode 0600, and known the second time (B26)", async () => {
    using http = await serve((_request, response) => void response.end("payload\n"));
    const dockerfile = `FROM {base}\nADD ${http.url}/file.txt /f/\nRUN stat -c '%a %u:%g' /f/file.txt\n`;
    const first = await builder.build(dockerfile, "t=url");
    assert.match(first.printed, /Step 2\/3[^\n]*\n\n ---> /);
    assert.match(first.printed, /^600 0:0$/m);
    assert.match(
      (await builder.history("url"))[1]?.CreatedBy ?? "",
      /ADD 5051c1eed8b44e0fc00a4e3f35ec10c98934db188fea67808528e0634ce2d42f in \/f\/ $/,
    );
    assert.equal((await builder.build(dockerfile)).hits, 2);
  });

  test("a lone Dockerfile, an archive and an error by URL", async () => {
    const archive = await builder.archive({ Dockerfile: `FROM ${CLASSIC_BASE}\nCOPY x /x\n`, x: "x" });
    using http = await serve((request, response) => {
      if (request.url === "/text")
        response.setHeader("content-type", "text/plain").end(`FROM ${CLASSIC_BASE}\nENV R=1\n`);
      else if (request.url === "/copy")
        response.setHeader("content-type", "text/plain").end(`FROM ${CLASSIC_BASE}\nCOPY a /\n`);
      else if (request.url === "/tar") response.setHeader("content-type", "application/x-tar").end(archive);
      else if (request.url === "/html") response.setHeader("content-type", "text/html").end("x");
      else response.writeHead(404).end("gone");
    });
    const ask = (path: string): ReturnType<ClassicBuilder["send"]> =>
      builder.send(Buffer.of(), `remote=${enc(http.url + path)}`);
    assert.match((await ask("/text")).printed, /Successfully built/);
    assert.equal((await ask("/copy")).error?.message, "COPY failed: missing build context");
    assert.match((await ask("/tar")).printed, /Successfully built/);
    assert.equal((await ask("/html")).status, 500);
    assert.equal((await ask("/nope")).status, 404);
  });

  test("names are given once each (B37)", async () => {
    const { printed } = await builder.build("FROM {base}\nENV T=1\n", "t=x&t=x:latest&t=&t=docker.io/library/x");
    assert.equal(printed.match(/Successfully tagged/g)?.length, 1);
    assert.match(printed, /Successfully tagged x:latest\n$/);
  });

  test("a broken link in a directory counts by its path (B22); wildcards flatten (B23)", async () => {
    const files = [
      { path: "dir", type: "directory" },
      { path: "dir/broken", type: "symlink", linkPath: "nowhere" },
      { path: "dir/sub", type: "directory" },
      { path: "dir/sub/d.txt", body: "d" },
    ] as const;
    const { error } = await builder.build(
      "FROM {base}\nCOPY dir /d\nCOPY dir/s* /ff/\nRUN test -L /d/broken -a -f /ff/d.txt\n",
      "",
      files,
    );
    assert.equal(error, undefined);
  });

  test("links of a context lead nowhere but into it", async () => {
    const files = [
      { path: "etc", type: "symlink", linkPath: "/etc" },
      { path: "up", type: "symlink", linkPath: "../../../../../../etc" },
      { path: "Dockerfile", body: `FROM ${CLASSIC_BASE}\nCOPY etc/passwd up/passwd /x/\n` },
    ] as const;
    const { error } = await builder.send(await builder.archive(files));
    assert.match(error?.message ?? "", /^COPY failed: file not found in build context/);
    const through = [
      { path: "out", type: "symlink", linkPath: "dir" },
      { path: "dir", type: "directory" },
      { path: "dir/f", body: "one" },
    ] as const;
    const detour = async (body: string): Promise<number> =>
      (await builder.build("FROM {base}\nCOPY dir/f /f\n", "", [...through, { path: "out/f", body }])).hits;
    assert.deepEqual([await detour("two"), await detour("two"), await detour("other")], [0, 1, 0]);
  });

  test("a git repository is a context, a folder of it too", { skip: gitMissing() }, async () => {
    await using git = await startGitServer();
    const folder = join(git.create("app"), "sub");
    await mkdir(folder);
    await writeFile(join(folder, "Dockerfile"), `FROM ${CLASSIC_BASE}\nCOPY . /g\nRUN ls -A /g\n`);
    await writeFile(join(folder, "f"), "x");
    await symlink("sub", join(folder, "../ln"));
    await writeFile(join(folder, "../Dockerfile"), `FROM ${CLASSIC_BASE}\nCOPY .git /g\nRUN cat /g/refs/heads/main\n`);
    git.git("app.git", "add", "--all");
    git.git("app.git", "commit", "--quiet", "-m", "one");
    const { printed } = await builder.send(Buffer.of(), `remote=${enc(`${git.url}/app.git#main:sub`)}`);
    assert.match(printed, /Dockerfile\nf\n/);
    const linked = await builder.send(Buffer.of(), `remote=${enc(`${git.url}/app.git#main:ln`)}`);
    assert.match(linked.printed, /Dockerfile\nf\n|Using cache/);
    const whole = await builder.send(Buffer.of(), `remote=${enc(`${git.url}/app.git#main`)}`);
    assert.ok(whole.printed.includes(git.git("app.git", "rev-parse", "HEAD")), whole.printed);
  });

  test(
    "a base that is not here is pulled, and asked for again on demand; steps hit (B36, C25)",
    { skip: registryMissing() },
    async () => {
      await using registry = await startRegistry();
      const name = `${registry.host}/base:1`;
      const docker = async (...args: readonly string[]): Promise<number | null> =>
        (await builder.server.docker(args)).code;
      assert.equal(await docker("tag", CLASSIC_BASE, name), 0);
      assert.equal(await docker("push", name), 0);
      assert.equal(await docker("rmi", name), 0);
      const dockerfile = `FROM ${name}\nENV PULLED=1\nCOPY --from=${name} /etc/passwd /p\n`;
      const pulled = await builder.build(dockerfile);
      assert.match(pulled.text, /"status":"Pulling from base".*---> [0-9a-f]{12}/s);
      assert.equal((await builder.build(dockerfile)).text.includes('"status"'), false);
      const again = await builder.build(dockerfile, "pull=1");
      assert.match(again.text, /"status":"Status: Image is up to date/);
      assert.equal(again.hits, 2);
      const missing = await builder.build(`FROM ${registry.host}/nope:1\n`);
      assert.match(missing.error?.message ?? "", /manifest for .*nope:1 not found|pull access denied/);
    },
  );

  test("the step that a client leaves is ended, those before stay (B34)", async () => {
    const dockerfile = `FROM ${CLASSIC_BASE}\nENV LEFT=1\nRUN echo started; sleep 1000\n`;
    const body = await builder.archive({ Dockerfile: dockerfile });
    const left = builder.server.start("curl", [
      "-sN",
      "--unix-socket",
      builder.server.socket,
      "-XPOST",
      "--data-binary",
      "@-",
      "http://x/build?networkmode=none",
    ]);
    left.stdin?.end(body);
    let printed = "";
    for await (const chunk of left.stdout ?? []) {
      printed += String(chunk);
      if (printed.includes("started")) break;
    }
    left.kill("SIGKILL");
    const again = await builder.build("FROM {base}\nENV LEFT=1\n");
    assert.equal(again.hits, 1);
    await untilIdle(builder);
  });
});
