import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AMD64, build, FakeHost, imageConfig } from "../../testing/dockerfile-host.ts";
import { VarveError } from "../core/index.ts";
import { parseDockerfile } from "../dockerfile/index.ts";
import { cacheMapOf } from "../llb/index.ts";
import { compileDockerfile, compilePlatforms, type CompileOptions } from "./index.ts";

async function key(text: string, options: CompileOptions = {}): Promise<string> {
  const { edge } = await build(text, options);
  return cacheMapOf(edge?.vertex ?? assert.fail()).digest;
}

const args = (entries: Record<string, string>): CompileOptions => ({ buildArgs: new Map(Object.entries(entries)) });

test("a build argument that reaches a step through ENV changes its key", async () => {
  const text = "FROM base\nARG A\nENV B=$A\nRUN x";
  assert.notEqual(await key(text, args({ A: "1" })), await key(text, args({ A: "2" })));
});

test("a proxy argument changes a step's key only where it is declared", async () => {
  const text = "FROM base\nRUN x";
  assert.equal(await key(text, args({ http_proxy: "a", NO_PROXY: "b" })), await key(text));
  assert.notEqual(await key("FROM base\nARG http_proxy\nRUN x", args({ http_proxy: "a" })), await key(text));
});

test("exec form keeps its words apart", async () => {
  assert.notEqual(await key('FROM base\nRUN ["a b"]'), await key('FROM base\nRUN ["a", "b"]'));
});

test("the name of a copied path is part of the key, and so is what is left out", async () => {
  const copy = (rest: string): Promise<string> => key(`FROM base\nCOPY ${rest} /x/`);
  assert.notEqual(await copy("Gemfile"), await copy("Gemfile.lock"));
  assert.notEqual(await copy("d"), await copy("--exclude=*.md d"));
  assert.equal(await copy("a/f"), await copy("b/f"));
});

test("FROM scratch is for the target's platform, variant and all", async () => {
  const { image } = await build("FROM scratch\nCOPY a /", {
    targetPlatform: { os: "linux", architecture: "arm", variant: "v6" },
  });
  assert.deepEqual([image.os, image.architecture, image.variant], ["linux", "arm", "v6"]);
});

test("the command of a step does not become the image's", async () => {
  const images = { "docker.io/library/base:latest": imageConfig({ Cmd: ["sh"] }) };
  assert.deepEqual((await build("FROM base\nRUN x", {}, images)).image.config.Cmd, ["sh"]);
});

test("names that JavaScript's objects have of their own are plain names", async () => {
  const { image } = await build("FROM base\nLABEL __proto__=a constructor=b\nENV __proto__=c\nVOLUME __proto__\nRUN x");
  assert.deepEqual(Object.entries(image.config.Labels ?? {}), [
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
  assert.deepEqual(Object.keys(image.config.Volumes ?? {}), ["__proto__"]);
  assert.ok(image.config.Env?.includes("__proto__=c"));
  assert.equal(JSON.parse(JSON.stringify(image)).config.Labels.constructor, "b");
});

test("a base image whose config is nonsense is refused, not believed", async () => {
  for (const config of ["", "[]", '{"config":{"Env":[1]}}', '{"history":{}}', '{"config":{"Labels":[]}}'])
    await assert.rejects(
      build("FROM base\nRUN x", {}, { "docker.io/library/base:latest": Buffer.from(config) }),
      (error) => error instanceof VarveError && error.code === "corrupt",
      config,
    );
});

test("one result for each platform, with its own names", async () => {
  const host = new FakeHost({ "docker.io/library/base:latest": imageConfig() });
  const platforms = [AMD64, { os: "linux", architecture: "arm64" }];
  const results = await compilePlatforms(parseDockerfile("FROM base\nCMD x"), platforms, {}, host);
  assert.deepEqual(
    results.map(({ platform, image, warnings }) => [platform.architecture, image.architecture, warnings.length]),
    [
      ["amd64", "amd64", 1],
      ["arm64", "arm64", 0],
    ],
  );
});

test("what grows without bound is stopped", async () => {
  const limit = (error: unknown): boolean => error instanceof VarveError && error.code === "limit-exceeded";
  const doubled = Array.from({ length: 40 }, () => "ENV A=$A$A").join("\n");
  await assert.rejects(build(`FROM base\nENV A=x\n${doubled}`), limit);
  const variables = Array.from({ length: 4200 }, (_, index) => `v${index}=`);
  await assert.rejects(
    build(`FROM base\nENV ${variables.slice(0, 2100).join(" ")}\nENV ${variables.slice(2100).join(" ")}`),
    limit,
  );
  await assert.rejects(build(`FROM base\n${"EXPOSE 0-65535\n".repeat(30)}`), limit);
  await assert.rejects(build(`FROM base\nEXPOSE ${"0-65535 ".repeat(7000)}`), limit);
  await assert.rejects(build(`FROM base\n${`ARG ${"a ".repeat(6000)}\n`.repeat(2)}`), limit);
});

test("random Dockerfiles compile or fail with a VarveError", async () => {
  const line = fc.constantFrom(
    ..."FROM base AS a|FROM a|FROM scratch|FROM $X AS b|COPY --from=a x y|COPY --from=b x y|COPY --link . /|COPY --from=1 a b".split(
      "|",
    ),
    ..."ARG X=base|ARG Y|ENV Y=$X Z=${Y:-z}|WORKDIR $Y|USER $Z|RUN --mount=from=b,target=$Z x|RUN --mount=type=cache x".split(
      "|",
    ),
    ..."ADD $X https://h/x /y/|EXPOSE $Y|ONBUILD RUN x|CMD $X|ENTRYPOINT []|VOLUME $Y|LABEL a=$b|HEALTHCHECK NONE".split(
      "|",
    ),
    ..."COPY <<E /x\n$Y\nE|STOPSIGNAL 9|COPY --chown=$Y --chmod=u+x a b|ADD https://h/r.git#$X /g|RUN <<E\n#!x\nE".split(
      "|",
    ),
  );
  const host = new FakeHost({ "docker.io/library/base:latest": imageConfig() });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 15 }), fc.boolean(), async (lines, allStages) => {
      try {
        await compileDockerfile(parseDockerfile(lines.join("\n")), { buildPlatform: AMD64, allStages }, host);
      } catch (error) {
        assert.ok(error instanceof VarveError && error.code !== "internal", String(error));
      }
    }),
    { numRuns: 500 },
  );
});
