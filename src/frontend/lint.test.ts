import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeHost, build, imageConfig } from "../../testing/dockerfile-host.ts";
import { VarveError } from "../core/index.ts";
import { type LintWarning, parseDockerfile } from "../dockerfile/index.ts";
import { type CompileOptions, checkDockerfile, listTargets, outline } from "./index.ts";

async function warnings(text: string, options: CompileOptions = {}): Promise<string[]> {
  const built = await build(text, options);
  return built.warnings.map(({ rule, range, message }) => `${rule}:${range.start.line} ${message}`);
}

test("the rules that need variables, images or the ignore file", async () => {
  const cases: [string, string[]][] = [
    ["FROM base\nENV A=$UNKNOWN", ["UndefinedVar:2 Usage of undefined variable '$UNKNOWN'"]],
    ["FROM base\nENV FOO=1\nENV A=$FO", ["UndefinedVar:3 Usage of undefined variable '$FO' (did you mean $FOO?)"]],
    ["FROM base\nARG DECLARED\nENV A=$DECLARED", []],
    [
      "FROM base\nENV a b",
      ['LegacyKeyValueFormat:2 "ENV key=value" should be used instead of legacy "ENV key value" format'],
    ],
    [
      "FROM base\nWORKDIR a",
      ['WorkdirRelativePath:2 Relative workdir "a" can have unexpected results if the base image changes'],
    ],
    ["FROM base\nWORKDIR /a\nWORKDIR b", []],
    [
      "FROM base\nARG API_KEY\nENV PUBLIC_KEY=x KEY_FILE=y",
      ['SecretsUsedInArgOrEnv:2 Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")'],
    ],
    [
      "FROM base\nCMD a",
      ["JSONArgsRecommended:2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"],
    ],
    ['FROM base\nSHELL ["x"]\nCMD a', []],
    [
      'FROM base\nCMD ["a"]\nCMD ["b"]',
      [
        "MultipleInstructionsDisallowed:2 Multiple CMD instructions should not be used in the same stage because only the last one will be used",
      ],
    ],
    [
      "FROM base\nEXPOSE 80/TCP",
      ["ExposeProtoCasing:2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
    ],
    [
      "FROM base\nEXPOSE 127.0.0.1:80:80",
      [
        "ExposeInvalidFormat:2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
      ],
    ],
    [
      "FROM --platform=$TARGETPLATFORM base",
      [
        "RedundantTargetPlatform:1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
      ],
    ],
    [
      "FROM --platform=linux/amd64 base",
      ['FromPlatformFlagConstDisallowed:1 FROM --platform flag should not use constant value "linux/amd64"'],
    ],
    ["FROM --platform=linux/amd64 base AS amd64", []],
    ["ARG TAG\nFROM base${TAG}", []],
  ];
  for (const [text, expected] of cases) assert.deepEqual(await warnings(text), expected, text);
});

test("rules about FROM's arguments", async () => {
  assert.deepEqual(await warnings("ARG IMAGE\nFROM $IMAGE", { buildArgs: new Map([["IMAGE", "base"]]) }), [
    "InvalidDefaultArgInFrom:2 Default value for ARG $IMAGE results in empty or invalid base image name",
  ]);
  assert.deepEqual(await warnings("ARG VERSION=latest\nFROM base${VERSON}:${VERSION}"), [
    "UndefinedArgInFrom:2 FROM argument 'VERSON' is not declared (did you mean VERSION?)",
  ]);
});

test("a copied path that the ignore file leaves out", async () => {
  const options = (exclude: string[]): CompileOptions => ({ context: { kind: "local", exclude } });
  const text = "FROM base\nCOPY secret.txt /x\nADD a /y";
  assert.deepEqual(await warnings(text, options(["*.txt"])), [
    'CopyIgnoredFile:2 Attempting to Copy file "secret.txt" that is excluded by .dockerignore',
  ]);
  assert.deepEqual(await warnings(text, options(["*.txt", "!secret.txt"])), []);
  assert.deepEqual(await warnings("FROM base\nCOPY . /x", options(["a"])), []);
});

test("a rule can be left out for one instruction, and warnings can fail the build", async () => {
  assert.deepEqual(await warnings("FROM base\n# check=skip=JSONArgsRecommended\nCMD a"), []);
  await assert.rejects(
    build("# check=error=true\nFROM base\nCMD a"),
    /lint violation found for rules: JSONArgsRecommended/,
  );
});

const host = new FakeHost({ "docker.io/library/base:latest": imageConfig() });

test("checks look at every stage and go on past what is wrong with an image", async () => {
  const file = parseDockerfile("FROM base AS a\nCMD x\nFROM base\nRUN y");
  const { warnings: found, error } = await checkDockerfile(file, {}, host);
  assert.deepEqual(
    found.map(({ rule }) => rule),
    ["JSONArgsRecommended"],
  );
  assert.equal(error, undefined);
  const broken = await checkDockerfile(parseDockerfile("FROM base AS B\nCOPY --from=9 / /"), {}, host);
  assert.deepEqual(
    broken.warnings.map(({ rule }) => rule),
    ["StageNameCasing"],
  );
  assert.match(broken.error?.message ?? "", /invalid stage index 9/);
});

const EVERYTHING = `# escape=\`
ARG TAG
FROM nowhere:$TAG as Own
ENV a $OF_THE_BASE
WORKDIR C:\\go
WORKDIR C:\\other
CMD x
FROM base AS two
CMD $UNKNOWN
ENV b=$UNKNOWN
`;

test("a base that cannot be looked up costs the checks of its variables, and nothing else", async () => {
  for (const code of ["remote", "not-found"] as const) {
    const offline = new FakeHost({ "docker.io/library/base:latest": imageConfig() });
    offline.failure = new VarveError(code, "Cannot resolve docker.io/library/nowhere:1: why");
    const options = { buildArgs: new Map([["TAG", "1"]]) };
    const { warnings: found, missing, error } = await checkDockerfile(parseDockerfile(EVERYTHING), options, offline);
    assert.deepEqual(
      found.map(({ rule, range, message }) => `${rule}:${range.start.line} ${message}`),
      [
        "StageNameCasing:3 Stage name 'Own' should be lowercase",
        "FromAsCasing:3 'as' and 'FROM' keywords' casing do not match",
        "InvalidDefaultArgInFrom:3 Default value for ARG nowhere:$TAG results in empty or invalid base image name",
        'LegacyKeyValueFormat:4 "ENV key=value" should be used instead of legacy "ENV key value" format',
        'WorkdirRelativePath:5 Relative workdir "C:\\\\go" can have unexpected results if the base image changes',
        "JSONArgsRecommended:7 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        "JSONArgsRecommended:9 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        "UndefinedVar:10 Usage of undefined variable '$UNKNOWN'",
      ],
    );
    assert.deepEqual(
      missing.map(({ message, details }) => [message, (details.location as { line: number }).line]),
      [["Cannot resolve docker.io/library/nowhere:1: why", 3]],
    );
    assert.equal(error, undefined);
  }
});

test("what was found before an error is kept, by checks and by builds", async () => {
  const wrong = "ARG TAG\nFROM base:$TAG\nCMD x\nCOPY --from=base:$TAG / /\nCMD y";
  const { warnings: found, error } = await checkDockerfile(parseDockerfile(wrong), {}, host);
  assert.deepEqual(
    found.map(({ rule }) => rule),
    ["InvalidDefaultArgInFrom"],
  );
  assert.match(error?.message ?? "", /variable expansion is not supported for --from/);
  const told: LintWarning[] = [];
  await assert.rejects(build("FROM base\nCMD x\nEXPOSE x", { warnings: told }), /invalid containerPort/);
  assert.deepEqual(
    told.map(({ rule }) => rule),
    ["JSONArgsRecommended"],
  );
  const read: LintWarning[] = [];
  assert.throws(() => parseDockerfile("FROM base AS B\nNOPE", { warnings: read }), /unknown instruction/);
  assert.deepEqual(
    read.map(({ rule }) => rule),
    ["StageNameCasing"],
  );
});

test("targets", () => {
  const file = parseDockerfile("# a the first\nFROM base AS a\nFROM --platform=linux/arm64 a");
  assert.deepEqual(
    listTargets(file).map(({ name, description, base, platform, isDefault }) => [
      name,
      description,
      base,
      platform,
      isDefault,
    ]),
    [
      ["a", "the first", "base", "", false],
      ["", "", "a", "linux/arm64", true],
    ],
  );
});

test("an outline has the arguments, secrets and agents of what the target is made of", async () => {
  const text = `ARG BASE=base
# UNUSED is not here
ARG UNUSED=1
# VERSION what to build
ARG VERSION=\${BASE}-1
FROM base AS other
ARG OTHER
FROM $BASE AS lib
ARG LIB=\${VERSION}
RUN --mount=type=secret,id=k,required x
FROM scratch AS app
ARG VERSION
COPY --from=lib / /
RUN --mount=type=ssh y
`;
  const found = await outline(parseDockerfile(text), { buildArgs: new Map([["LIB", "mine"]]) }, host);
  assert.equal(found.name, "app");
  assert.deepEqual(
    found.args.map(({ name, value, description }) => [name, value, description]),
    [
      ["BASE", "base", ""],
      ["VERSION", "base-1", "what to build"],
      ["LIB", "mine", ""],
    ],
  );
  assert.deepEqual(
    found.secrets.map(({ name, required }) => [name, required]),
    [["k", true]],
  );
  assert.deepEqual(
    found.ssh.map(({ name }) => name),
    ["default"],
  );
});
