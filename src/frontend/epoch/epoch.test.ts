import assert from "node:assert/strict";
import { test } from "node:test";
import { type Built, build } from "../../../testing/dockerfile-host.ts";
import { isVarveError } from "../../core/index.ts";
import { git, http, merge } from "../../llb/index.ts";
import type { CompileOptions, NamedContext } from "../index.ts";

const ARGUMENT = new Map([["SOURCE_DATE_EPOCH", "src"]]);
const named = (context: NamedContext): CompileOptions => ({ namedContexts: new Map([["src", context]]) });

/** Builds the lines after a global `ARG SOURCE_DATE_EPOCH=src`. */
async function made(lines: string, options: CompileOptions = {}): Promise<Built> {
  return await build(`ARG SOURCE_DATE_EPOCH=src\n${lines}`, options);
}

test("the name of a stage means the time of its only source", async () => {
  const { epoch, image, host, stages } = await made(
    "ARG HOST=h\nFROM scratch AS Src\nARG NAME\nARG DIR=$NAME/d\nADD http://$HOST/$DIR/41 /\nFROM base\nARG SOURCE_DATE_EPOCH\nRUN x",
    { buildArgs: new Map([["NAME", "n"]]) },
  );
  assert.equal(epoch, 41);
  assert.deepEqual(host.timed, ["[internal] resolve SOURCE_DATE_EPOCH source stage src: http://h/n/d/41"]);
  assert.equal(image.history.at(-1)?.created_by, "RUN |1 SOURCE_DATE_EPOCH=41 /bin/sh -c x # buildkit");
  assert.deepEqual(stages, ["stage-1"]);
  const repository = await made("FROM scratch AS src\nADD https://h/x.git?ref=v42 /\nFROM base");
  assert.equal(repository.epoch, 42);
});

test("a named context has precedence over a stage; a build argument over the Dockerfile", async () => {
  const stage = "FROM scratch AS src\nADD http://h/1 /\nFROM base";
  const { epoch, host } = await made(stage, named({ kind: "http", url: "http://h/2" }));
  assert.equal(epoch, 2);
  assert.deepEqual(host.timed, ["[internal] resolve SOURCE_DATE_EPOCH named context src: http://h/2"]);
  assert.equal((await made(stage, { buildArgs: new Map([["SOURCE_DATE_EPOCH", "3"]]) })).epoch, 3);
  assert.equal((await build(stage, { buildArgs: ARGUMENT })).epoch, 1);
  assert.equal(
    (await build("FROM base", { buildArgs: ARGUMENT, ...named({ kind: "git", url: "git://h/x#4" }) })).epoch,
    4,
  );
});

test("the context means its source, even after it was unpacked", async () => {
  const buildArgs = new Map([["SOURCE_DATE_EPOCH", "context"]]);
  const origin = http("http://h/5").edge;
  const unpacked = await build("FROM base\nCOPY . /", { buildArgs, context: { kind: "local", origin } });
  assert.equal(unpacked.epoch, 5);
  assert.deepEqual(unpacked.host.timed, ["[internal] resolve main build context metadata: http://h/5"]);
  const repository = await build("FROM base", {
    buildArgs,
    context: { kind: "state", state: git("git://h/x", { ref: "6" }) },
  });
  assert.equal(repository.epoch, 6);
});

test("without a time the argument is unset", async () => {
  const local = await made("FROM base\nARG SOURCE_DATE_EPOCH\nRUN x", named({ kind: "local", name: "src" }));
  assert.equal(local.epoch, undefined);
  assert.equal(local.image.history.at(-1)?.created_by, "RUN |1 SOURCE_DATE_EPOCH= /bin/sh -c x # buildkit");
  const buildArgs = new Map([["SOURCE_DATE_EPOCH", "context"]]);
  assert.equal((await build("FROM base", { buildArgs, context: { kind: "local" } })).epoch, undefined);
  const two = merge([http("http://h/7"), http("http://h/8")]);
  const many = await build("FROM base", { buildArgs, context: { kind: "state", state: two } });
  assert.deepEqual([many.epoch, many.host.timed], [undefined, []]);
});

test("a stage that is more than one source is an error at its line", async () => {
  const cases: readonly [string, RegExp, number][] = [
    [
      "FROM scratch AS src\nCOPY f /f",
      /^SOURCE_DATE_EPOCH stage does not meet source-only .*: unsupported COPY instruction$/,
      2,
    ],
    ["FROM base AS src\nADD http://h/1 /", /^SOURCE_DATE_EPOCH stage must use FROM scratch$/, 2],
    ["FROM scratch AS src\nARG A=1", /^SOURCE_DATE_EPOCH stage must contain exactly one remote ADD$/, 2],
    [
      "FROM scratch AS src\nADD http://h/1 /\nADD http://h/2 /",
      /^SOURCE_DATE_EPOCH stage must contain exactly one remote ADD$/,
      2,
    ],
    [
      "FROM scratch AS src\nADD http://h/1 http://h/2 /",
      /^SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source$/,
      2,
    ],
    ["FROM scratch AS src\nADD f /", /^SOURCE_DATE_EPOCH stage source must be a single HTTP\(S\) or Git ADD$/, 2],
    ["FROM scratch AS src\nADD --checksum=x http://h/1 /", /^invalid checksum digest format: x$/, 2],
    ["FROM scratch AS other\nADD http://h/1 /", /^invalid SOURCE_DATE_EPOCH: src$/, 1],
  ];
  for (const [lines, message, line] of cases)
    await assert.rejects(made(`${lines}\nFROM base`), (error) => {
      assert.ok(isVarveError(error, "invalid-build"), String(error));
      assert.match(error.message, message);
      assert.equal(error.details.location?.line, line, lines);
      return true;
    });
});
