import assert from "node:assert/strict";
import { test } from "node:test";
import { build, imageConfig, vertexNamed } from "../../testing/dockerfile-host.ts";
import { VarveError, digestOf } from "../core/index.ts";
import type { ExecOp } from "../llb/index.ts";
import type { CompileOptions, ImageDraft } from "./index.ts";

function texts({ history }: ImageDraft): string[] {
  return history.map(({ created_by }) => created_by ?? "");
}

async function failure(text: string, options: CompileOptions = {}): Promise<VarveError> {
  try {
    await build(text, options);
  } catch (error) {
    assert.ok(error instanceof VarveError, String(error));
    return error;
  }
  return assert.fail(`no error for ${JSON.stringify(text)}`);
}

test("every instruction's mark on the config and the history", async () => {
  const { image } = await build(`FROM scratch
MAINTAINER me
ENV A=1 B="two words"
LABEL l=$A m='x y'
WORKDIR /x
WORKDIR y
EXPOSE 80 53/udp 8000-8002
VOLUME /v "/w" ["/u"]
USER u:g
SHELL ["/bin/bash", "-c"]
CMD echo hi
ENTRYPOINT ["a", "b c"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m30s CMD true
ONBUILD RUN x
COPY a b /c/
RUN echo hi
`);
  assert.equal(image.author, "me");
  assert.deepEqual(image.config.Env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "A=1",
    "B=two words",
  ]);
  assert.deepEqual({ ...image.config.Labels }, { l: "1", m: "x y" });
  assert.equal(image.config.WorkingDir, "/x/y");
  assert.deepEqual(Object.keys(image.config.ExposedPorts ?? {}), [
    "53/udp",
    "80/tcp",
    "8000/tcp",
    "8001/tcp",
    "8002/tcp",
  ]);
  assert.deepEqual(image.config.Healthcheck, { Test: ["CMD-SHELL", "true"], Interval: 90e9 });
  assert.deepEqual(image.config.Cmd, ["/bin/bash", "-c", "echo hi"]);
  assert.deepEqual(image.config.Entrypoint, ["a", "b c"]);
  assert.deepEqual(image.config.OnBuild, ["RUN x"]);
  assert.deepEqual(texts(image), [
    "MAINTAINER me",
    "ENV A=1 B=two words",
    "LABEL l=1 m=x y",
    "WORKDIR /x",
    "WORKDIR /x/y",
    "EXPOSE [53/udp 80/tcp 8000/tcp 8001/tcp 8002/tcp]",
    'VOLUME [/v /w ["/u"]]'.replace('["/u"]', "[/u]"),
    "USER u:g",
    "SHELL [/bin/bash -c]",
    'CMD ["/bin/bash" "-c" "echo hi"]',
    'ENTRYPOINT ["a" "b c"]',
    "STOPSIGNAL SIGTERM",
    "HEALTHCHECK {Test:[CMD-SHELL true] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
    "COPY a b /c/ # buildkit",
    "RUN /bin/bash -c echo hi # buildkit",
  ]);
  assert.deepEqual(
    image.history.map(({ empty_layer }) => empty_layer !== true),
    [false, false, false, true, true, false, false, false, false, false, false, false, false, true, true],
  );
  assert.ok(
    image.history.every(({ comment, created }) => comment === "buildkit.dockerfile.v0" && created === undefined),
  );
});

test("history goes on from the base's; SOURCE_DATE_EPOCH times only what is new", async () => {
  const { image, epoch } = await build("FROM base\nARG SOURCE_DATE_EPOCH\nRUN x", {
    buildArgs: new Map([["SOURCE_DATE_EPOCH", "1700000000"]]),
  });
  assert.equal(epoch, 1_700_000_000);
  assert.equal(image.created, undefined);
  assert.deepEqual(
    image.history.map(({ created, created_by }) => `${created ?? ""} ${created_by ?? ""}`),
    [
      "2020-01-01T00:00:00Z base",
      "2023-11-14T22:13:20Z ARG SOURCE_DATE_EPOCH=1700000000",
      "2023-11-14T22:13:20Z RUN |1 SOURCE_DATE_EPOCH=1700000000 /bin/sh -c x # buildkit",
    ],
  );
  assert.match(
    (await failure("FROM base", { buildArgs: new Map([["SOURCE_DATE_EPOCH", "soon"]]) })).message,
    /invalid SOURCE_DATE_EPOCH: soon/,
  );
});

test("ARGs show before RUN in the order they were declared, with their last value", async () => {
  const { image } = await build("ARG G=global\nFROM base\nARG A=1\nARG G\nARG U\nENV A=env\nRUN x", {
    buildArgs: new Map([["G", "given"]]),
  });
  assert.equal(texts(image).at(-1), "RUN |3 A=env G=given U= /bin/sh -c x # buildkit");
});

test("ENTRYPOINT drops the base's CMD, but not one of the same stage", async () => {
  const images = { "docker.io/library/base:latest": imageConfig({ Cmd: ["base"], Entrypoint: ["old"] }) };
  assert.equal((await build('FROM base\nENTRYPOINT ["e"]', {}, images)).image.config.Cmd, undefined);
  const both = await build('FROM base\nCMD ["c"]\nENTRYPOINT ["e"]', {}, images);
  assert.deepEqual(both.image.config.Cmd, ["c"]);
  assert.deepEqual((await build("FROM base\nRUN x", {}, images)).image.config.Cmd, ["base"]);
  assert.equal((await build("FROM base\nENTRYPOINT []", {}, images)).image.config.Entrypoint, undefined);
});

test("names in progress are buildx's", async () => {
  const built = await build(
    "FROM base AS build\nWORKDIR /a\nRUN npm ci\nFROM scratch\nCOPY --from=build /a /b\nCOPY c d",
  );
  assert.deepEqual(built.names, [
    `[build 1/3] FROM docker.io/library/base:latest@${digestOf("docker.io/library/base:latest")}`,
    "[build 2/3] WORKDIR /a",
    "[build 3/3] RUN npm ci",
    "[stage-1 1/2] COPY --from=build /a /b",
    "[internal] load build context",
    "[stage-1 2/2] COPY c d",
  ]);
  const single = await build("FROM base\nENV V=1\nCOPY --chown=$V a$V /b\nRUN echo $V $HOME '$V'");
  assert.deepEqual(single.names.slice(2), ["[2/3] COPY --chown=1 a1 /b", "[3/3] RUN echo 1 $HOME '$V'"]);
  const many = await build("FROM base\nRUN x", {
    multiPlatform: true,
    targetPlatform: { os: "linux", architecture: "amd64" },
  });
  assert.equal(many.names.at(-1), "[linux/amd64 2/2] RUN x");
  assert.equal(many.host.requests[0]?.name, "[linux/amd64 internal] load metadata for docker.io/library/base:latest");
});

test("only what the target needs is looked up and compiled", async () => {
  const built = await build(
    "FROM nothere AS unused\nRUN x\nFROM base AS a\nRUN y\nFROM base AS b\nCOPY --from=a /x /y\nFROM a\nRUN z",
    {
      target: "B",
    },
  );
  assert.deepEqual(built.stages, ["a", "b"]);
  assert.equal(built.host.requests.length, 1);
});

test("the context is asked for the paths in use, and all of it when all is used", async () => {
  const exclude = ["node_modules"];
  const context = { kind: "local", exclude } as const;
  const some = await build(
    "FROM base\nCOPY --link b/*.txt ./c /x/\nADD a http://localhost/z /y/\nRUN --mount=target=/m,source=d e",
    { context },
  );
  assert.deepEqual(some.locals, [{ name: "context", exclude, followPaths: ["a", "b/*.txt", "c", "d"] }]);
  const all = await build("FROM base\nCOPY a /x\nCOPY . /y", { context });
  assert.deepEqual(all.locals, [{ name: "context", exclude, followPaths: undefined }]);
  assert.deepEqual((await build("FROM base\nRUN x")).locals, []);
});

test("stage names are blind to case, and may be names of Object's prototype", async () => {
  const built = await build(
    "FROM base AS Constructor\nRUN x\nFROM CONSTRUCTOR AS y\nRUN z\nFROM scratch\nCOPY --from=cOnStructor /a /b\nCOPY --from=0 /c /d",
  );
  assert.equal(built.names.filter((name) => name.includes("COPY")).length, 2);
  assert.match((await failure("FROM constructor")).message, /Cannot resolve docker.io\/library\/constructor:latest/);
});

test("platforms: built-in arguments, --platform, the image's own", async () => {
  const text =
    "FROM --platform=$BUILDPLATFORM base AS b\nARG TARGETPLATFORM TARGETARCH BUILDPLATFORM TARGETSTAGE\nENV P=$TARGETPLATFORM-$TARGETARCH-$BUILDPLATFORM-$TARGETSTAGE\nRUN x\nFROM base\nCOPY --from=b /x /y";
  const built = await build(text, { targetPlatform: { os: "linux", architecture: "arm64" } });
  assert.equal(built.image.architecture, "arm64");
  assert.deepEqual(vertexNamed(built, "RUN x").platform, { os: "linux", architecture: "amd64" });
  const env = (vertexNamed(built, "RUN x").op as ExecOp).meta.env;
  assert.ok(env.includes("P=linux/arm64-arm64-linux/amd64-default"));
  const auto = await build(
    "FROM base",
    {},
    { "docker.io/library/base:latest": imageConfig({}, { architecture: "riscv64" }) },
  );
  assert.equal(auto.image.architecture, "riscv64");
  assert.equal(auto.warnings[0]?.rule, "InvalidBaseImagePlatform");
  assert.match((await failure("FROM --platform=$NOPE base")).message, /empty platform value from expression \$NOPE/);
});

test("the order of variables in a step's environment", async () => {
  const built = await build(
    "FROM base\nARG A=1\nENV B=2\nENV PATH=/p\nARG A=3\nRUN x\nFROM scratch\nCOPY --from=0 / /",
  );
  assert.deepEqual((vertexNamed(built, "RUN x").op as ExecOp).meta.env, ["B=2", "PATH=/p", "A=3"]);
  const child = await build("FROM base AS a\nARG A=1\nFROM a\nENV C=3\nRUN x");
  assert.deepEqual(
    (vertexNamed(child, "RUN x").op as ExecOp).meta.env.map((entry) => entry.split("=")[0]),
    ["A", "PATH", "C"],
  );
});

test("ONBUILD runs in the stage built on it, once", async () => {
  const images = {
    "docker.io/library/onb:latest": imageConfig({ OnBuild: ["ENV X=1", "COPY --from=base /a /b", "RUN t"] }),
  };
  const built = await build("FROM onb AS a\nRUN own\nFROM a\nRUN last", {}, images);
  assert.deepEqual(texts(built.image), [
    "base",
    "ENV X=1",
    "COPY /a /b # buildkit",
    "RUN /bin/sh -c t # buildkit",
    "RUN /bin/sh -c own # buildkit",
    "RUN /bin/sh -c last # buildkit",
  ]);
  assert.equal(built.image.config.OnBuild, undefined);
  assert.ok(built.names.includes("[a 3/5] ONBUILD RUN t"));
  const local = await build("FROM base AS a\nONBUILD RUN <<E\nx\nE\nFROM a");
  assert.equal(texts(local.image).at(-1), "RUN /bin/sh -c x\n # buildkit");
  const bad = { "docker.io/library/onb:latest": imageConfig({ OnBuild: ["FROM x"] }) };
  await assert.rejects(build("FROM onb", {}, bad), /single expression/);
});

test("an image without layers is scratch", async () => {
  const images = {
    "docker.io/library/empty:latest": imageConfig({}, { rootfs: { type: "layers", diff_ids: null }, history: null }),
  };
  assert.equal((await build("FROM empty", {}, images)).edge, undefined);
  assert.equal((await build("FROM scratch")).edge, undefined);
});

test("no-cache marks steps of all stages or of those named", async () => {
  const text =
    "FROM base AS a\nRUN x\nCOPY p q\nFROM base AS b\nRUN y\nFROM base\nCOPY --from=a / /\nCOPY --from=b / /";
  const ignored = async (noCache: CompileOptions["noCache"] & object): Promise<string[]> => {
    const { vertices, names } = await build(text, { noCache });
    return names
      .filter((_name, index) => vertices[index]?.metadata.ignoreCache === true)
      .map((name) => name.slice(0, 6));
  };
  assert.deepEqual(await ignored(["A"]), ["[a 2/3", "[a 3/3"]);
  const all = await build(text, { noCache: true });
  assert.equal(all.vertices.filter(({ metadata }) => metadata.ignoreCache).length, 5);
});

test("a step that two stages have ignores the cache if it does so in one, and has the name of the last", async () => {
  const text = "FROM base AS a\nRUN x\nFROM base AS b\nRUN x\nFROM base\nCOPY --from=a / /\nCOPY --from=b / /";
  for (const stage of ["a", "b"]) {
    const { vertices, names } = await build(text, { noCache: [stage] });
    const index = names.findIndex((name) => name.endsWith("RUN x"));
    assert.deepEqual([names[index], vertices[index]?.metadata.ignoreCache], ["[b 2/2] RUN x", true]);
    assert.equal(names.filter((name) => name.endsWith("RUN x")).length, 1);
  }
});

test("errors have their place", async () => {
  const missing = await failure("FROM base\nRUN x\nFROM alpin\nRUN y");
  assert.equal(missing.code, "not-found");
  assert.match(
    missing.message,
    /^Cannot resolve docker\.io\/library\/alpin:latest: not found \(did you mean alpine\?\)$/,
  );
  assert.equal((missing.details.location as { line: number }).line, 3);
  const cases: [string, RegExp, number][] = [
    [
      "FROM base AS a\nCOPY --from=b / /\nFROM base AS b\nCOPY --from=a / /\nFROM a",
      /circular dependency detected on stage: a/,
      2,
    ],
    [
      "FROM base AS a\nCOPY --from=c / /\nFROM base AS c\nFROM a",
      /cannot copy from stage "c", it needs to be defined before/,
      2,
    ],
    ["FROM base\nCOPY --from=$X / /", /variable expansion is not supported for --from/, 2],
    ["FROM base\nCOPY --from=7 / /", /invalid stage index 7/, 2],
    ["FROM $X", /base name \(\$X\) should not be blank/, 1],
    ["FROM base\nUSER ${U:?who}", /U: who/, 2],
    ["FROM base\nSTOPSIGNAL NOPE", /invalid signal: NOPE/, 2],
    ["FROM base\nEXPOSE 99999", /invalid containerPort: 99999/, 2],
    ["FROM base\nCOPY --chmod=888 a b", /invalid chmod parameter: '888'/, 2],
    ["FROM base\nCOPY https://x/y /z", /source can't be a URL for COPY/, 2],
    ["FROM base\nCOPY https://x/y.git /z", /source can't be a git ref for COPY/, 2],
    ["FROM base\nADD --checksum=sha256:x https://x/y /z", /invalid checksum digest format/, 2],
    ["FROM base\nADD --checksum=sha256:x y /z", /checksum requires HTTP\(S\) or Git sources/, 2],
    ["FROM base\nRUN --mount=target=/ x", /invalid mount target "\/"/, 2],
    ["FROM Upper:x", /failed to parse stage name "Upper:x"/, 1],
    ["FROM base\nCOPY a[ /d", /^Cannot read pattern "a\[": a character class is malformed$/, 2],
    ["FROM base\nADD --exclude=a[b-a] . /d", /^Cannot read pattern "a\[b-a\]": a character range is out of order$/, 2],
    ["ARG SOURCE_DATE_EPOCH=x\nFROM base", /^invalid SOURCE_DATE_EPOCH: x$/, 1],
  ];
  for (const [text, message, line] of cases) {
    const error = await failure(text);
    assert.match(error.message, message);
    assert.equal((error.details.location as { line: number } | undefined)?.line, line, text);
  }
  assert.match(
    (await failure("FROM base AS build", { target: "buidl" })).message,
    /target stage "buidl" could not be found \(did you mean build\?\)/,
  );
});

test("arguments that look like a JSON array, and are none, are called so", async () => {
  const hint = 'write a JSON array with double quotes around each string and commas between them: ["a", "b"]';
  const cases: [string, RegExp][] = [
    ['COPY [ "a" "/d/"]', /^Cannot read pattern "\[": .*; the arguments look like a JSON array, but are not one$/],
    [
      'COPY --link ["a", "/d/"',
      /^Cannot read pattern "\[a,": .*; the arguments look like a JSON array, but are not one$/,
    ],
    ["ADD [a, /d/]", /^Cannot read pattern "\[a,": .*; the arguments look like a JSON array, but are not one$/],
    ["ADD ['a','/d/']", /ADD requires at least two arguments/],
  ];
  for (const [instruction, message] of cases) {
    const error = await failure(`FROM base\n${instruction}`);
    assert.match(error.message, message);
    assert.equal(error.hint, hint, instruction);
    assert.equal((error.details.location as { line: number } | undefined)?.line, 2, instruction);
  }
  assert.equal((await failure("FROM base\nCOPY [a b")).hint, undefined);
});

test("an aborted build stops", async () => {
  const { compileDockerfile } = await import("./index.ts");
  const { parseDockerfile } = await import("../dockerfile/index.ts");
  const { FakeHost } = await import("../../testing/dockerfile-host.ts");
  const run = compileDockerfile(parseDockerfile("FROM base"), {}, new FakeHost(), AbortSignal.abort());
  await assert.rejects(run, (error) => error instanceof VarveError && error.code === "cancelled");
});

test("compiling is deterministic", async () => {
  const text = "FROM base AS a\nRUN x\nCOPY --link q /r\nFROM scratch\nCOPY --from=a / /";
  assert.equal((await build(text)).edge?.vertex.digest, (await build(text)).edge?.vertex.digest);
});
