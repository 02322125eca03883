import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeHost, imageConfig } from "../../../../testing/dockerfile-host.ts";
import { VarveError, parseJson } from "../../../core/index.ts";
import { parseDockerfile } from "../../../dockerfile/index.ts";
import type { CompileOptions } from "../../../frontend/index.ts";
import { GrpcError } from "../../../grpc/index.ts";
import { statusOf } from "../errors/status.ts";
import { subrequest } from "./subrequests.ts";

const IMAGES = {
  "docker.io/library/alpine:latest": imageConfig(),
  "docker.io/library/busybox:latest": imageConfig(),
};

/** Asks about a Dockerfile. Returns the metadata as texts. */
async function ask(id: string, text: string, options: CompileOptions = {}): Promise<Map<string, string>> {
  const metadata = await subrequest(id, {
    load: (warnings = []) => Promise.resolve().then(() => ({ file: parseDockerfile(text, { warnings }), options })),
    host: new FakeHost(IMAGES),
  });
  return new Map(Array.from(metadata, ([key, value]) => [key, Buffer.from(value).toString()]));
}

function jsonOf(metadata: ReadonlyMap<string, string>): unknown {
  return parseJson(metadata.get("result.json") ?? "", "an answer").raw;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const lines = (...numbers: readonly number[]): object => ({
  ranges: numbers.map((line) => ({ start: { line }, end: { line } })),
});

/** The Dockerfiles of BuildKit's own tests of these requests. */
const OUTLINE = `
ARG inherited=box
ARG inherited2=box2
ARG unused=abc\${inherited2}
# sfx is a suffix
ARG sfx="usy\${inherited}"

FROM b\${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN true

FROM alpine\${unused} AS second
ARG BAZ
RUN true

FROM scratch AS third
ARG ABC=a
# check=skip=all
ARG password
# alternate_password will show up in the outline
# check=skip=all
ARG alternate_password

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /

FROM second
`;

const SECRETS = `
FROM busybox AS first
RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true

FROM alpine AS second
RUN --mount=type=secret,id=unused --mount=type=ssh,id=ssh2 true

FROM scratch AS third
ARG BAR
RUN --mount=type=secret,id=second\${BAR} true

FROM third AS target
COPY --from=first /foo /
RUN --mount=type=ssh,id=ssh3,required true

FROM second
`;

const TARGETS = `
# build defines stage for compiling the binary
FROM alpine AS build
RUN true

FROM busybox as second
RUN false

FROM alpine
RUN false

# binary returns the compiled binary
FROM second AS binary
`;

const BAR = { target: "target", buildArgs: new Map([["BAR", "678"]]) };

test("frontend.outline: arguments", async () => {
  const answer = await ask("frontend.outline", OUTLINE, BAR);
  assert.deepEqual(jsonOf(answer), {
    name: "target",
    description: "defines build target",
    args: [
      { name: "inherited", value: "box", location: lines(2) },
      { name: "sfx", description: "is a suffix", value: "usybox", location: lines(6) },
      { name: "FOO", value: "123", location: lines(10) },
      { name: "BAR", description: "is a number", value: "678", location: lines(12) },
      { name: "ABC", value: "a", location: lines(20) },
      { name: "password", location: lines(22) },
      { name: "alternate_password", description: "will show up in the outline", location: lines(25) },
    ],
    sources: [base64(OUTLINE)],
  });
  assert.equal(answer.get("version"), "1.0.0");
  assert.equal(
    answer.get("result.txt"),
    `TARGET:      target
DESCRIPTION: defines build target

BUILD ARG            VALUE    DESCRIPTION
inherited            box      
sfx                  usybox   is a suffix
FOO                  123      
BAR                  678      is a number
ABC                  a        
password                      
alternate_password            will show up in the outline

`,
  );
});

test("frontend.outline: secrets and agents", async () => {
  const answer = await ask("frontend.outline", SECRETS, BAR);
  assert.deepEqual(jsonOf(answer), {
    name: "target",
    args: [{ name: "BAR", value: "678", location: lines(9) }],
    secrets: [
      { name: "passwd", required: true, location: lines(3) },
      { name: "second678", location: lines(10) },
    ],
    ssh: [
      { name: "default", location: lines(3) },
      { name: "ssh3", required: true, location: lines(14) },
    ],
    sources: [base64(SECRETS)],
  });
  assert.equal(
    answer.get("result.txt"),
    `TARGET: target

BUILD ARG   VALUE   DESCRIPTION
BAR         678     

SECRET      REQUIRED
passwd      true
second678   

SSH       REQUIRED
default   
ssh3      true

`,
  );
});

test("frontend.outline needs all base images", async () => {
  await assert.rejects(ask("frontend.outline", "FROM unknown\n"), { code: "not-found" });
});

test("frontend.targets", async () => {
  const answer = await ask("frontend.targets", TARGETS);
  assert.deepEqual(jsonOf(answer), {
    targets: [
      { name: "build", description: "defines stage for compiling the binary", base: "alpine", location: lines(3) },
      { name: "second", base: "busybox", location: lines(6) },
      { base: "alpine", location: lines(9) },
      {
        name: "binary",
        default: true,
        description: "returns the compiled binary",
        base: "second",
        location: lines(13),
      },
    ],
    sources: [base64(TARGETS)],
  });
  assert.equal(
    answer.get("result.txt"),
    `TARGET           DESCRIPTION
build            defines stage for compiling the binary
second           
                 
binary (default) returns the compiled binary
`,
  );
});

test("frontend.lint: warnings, with the lines that they are about", async () => {
  const text = "# check=skip=none\nFROM scratch AS BadStageName\nCOPY f \\\n  /f\nMAINTAINER me@x.test\n";
  const answer = await ask("frontend.lint", text);
  const { warnings, ...rest } = jsonOf(answer) as { warnings: Record<string, string>[] };
  assert.deepEqual(rest, { sources: [{ filename: "Dockerfile", data: base64(text), language: "Dockerfile" }] });
  assert.deepEqual(
    warnings.map(({ ruleName, detail, location }) => [ruleName, detail, location]),
    [
      ["StageNameCasing", "Stage name 'BadStageName' should be lowercase", lines(2)],
      ["MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", lines(5)],
    ],
  );
  assert.deepEqual(Object.keys(warnings[0] ?? {}), ["ruleName", "description", "url", "detail", "location"]);
  assert.equal(answer.get("result.statuscode"), "1");
  assert.equal(
    answer.get("result.txt"),
    `
WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'BadStageName' should be lowercase
Dockerfile:2
--------------------
   1 |     # check=skip=none
   2 | >>> FROM scratch AS BadStageName
   3 |     COPY f \\
   4 |       /f
--------------------

WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
Maintainer instruction is deprecated in favor of using label
Dockerfile:5
--------------------
   3 |     COPY f \\
   4 |       /f
   5 | >>> MAINTAINER me@x.test
   6 |     
--------------------
`,
  );
});

test("frontend.lint: no warning, and errors that fail the build", async () => {
  const clean = await ask("frontend.lint", "FROM scratch\nCOPY f /f\n");
  assert.equal(clean.get("result.statuscode"), "0");
  assert.equal(clean.get("result.txt"), "");
  assert.match(clean.get("result.json") ?? "", /^\{\n {2}"warnings": null,\n {2}"sources": \[/);

  const broken = await ask("frontend.lint", "FROM scratch\nBADCMD\n");
  assert.equal(broken.get("result.statuscode"), "1");
  const { buildError, sources } = jsonOf(broken) as { buildError: object; sources: { data: string }[] };
  assert.equal(sources[0]?.data, base64("FROM scratch\nBADCMD\n"));
  assert.deepEqual(buildError, {
    message: "dockerfile parse error on line 2: unknown instruction: BADCMD",
    location: lines(2),
  });

  const missing = await ask("frontend.lint", "FROM unknown\n");
  assert.equal(missing.get("result.statuscode"), "1");
  assert.match(missing.get("result.json") ?? "", /"message": ".*unknown/);
});

test("frontend.subrequests.describe", async () => {
  const answer = await ask("frontend.subrequests.describe", "");
  const metadata = [
    { name: "result.json", description: "" },
    { name: "result.txt", description: "" },
  ];
  const shared = { version: "1.0.0", type: "rpc", inputs: null, metadata, refs: null };
  assert.deepEqual(jsonOf(answer), [
    {
      ...shared,
      name: "frontend.outline",
      description: "List all parameters current build target supports",
      opts: [{ name: "target", description: "Target build stage" }],
    },
    { ...shared, name: "frontend.targets", description: "List all targets current build supports", opts: [] },
    { ...shared, name: "frontend.subrequests.describe", description: "List available subrequest types", opts: null },
  ]);
  assert.equal(
    answer.get("result.txt"),
    `NAME                 VERSION DESCRIPTION
outline              1.0.0   List all parameters current build target supports
targets              1.0.0   List all targets current build supports
subrequests.describe 1.0.0   List available subrequest types
`,
  );
});

test("frontend.convertllb: the graph, its metadata and the lines of its vertices", async () => {
  const text = "FROM busybox\nRUN --network=none echo \\\n  '<hi>'\nCOPY f /f\n";
  const context = { kind: "local" } as const;
  const answer = await ask("frontend.convertllb", text, { context });
  assert.equal(answer.get("version"), "0.1.0");
  assert.equal(answer.get("result.txt"), undefined);
  const { def, metadata, source } = jsonOf(answer) as {
    def: Record<string, { exec?: { meta: { args: string[] }; network?: string }; inputs?: object[] }>;
    metadata: Record<string, { caps?: object; description?: Record<string, string> }>;
    source: { locations: Record<string, { locations: object[] }>; infos: object[] };
  };
  assert.deepEqual(Object.keys(def), Object.keys(def).toSorted());
  assert.deepEqual(Object.keys(metadata).toSorted(), Object.keys(def));
  const [digest, exec] = Object.entries(def).find(([, op]) => op.exec !== undefined) ?? [];
  assert.deepEqual(exec?.exec?.meta.args, ["/bin/sh", "-c", "echo   '<hi>'"]);
  assert.equal(exec?.exec?.network, "NONE");
  assert.match(answer.get("result.json") ?? "", /\\u003chi\\u003e/);
  assert.deepEqual(source.locations[digest ?? ""]?.locations, [lines(2, 3)]);
  assert.deepEqual(source.infos, [{ filename: "Dockerfile", data: base64(text), language: "Dockerfile" }]);
  assert.equal(
    metadata[digest ?? ""]?.description?.["com.docker.dockerfile.v1.command"],
    "RUN --network=none echo   '<hi>'",
  );
});

test("an unknown request is refused with its name as a detail", async () => {
  await assert.rejects(ask("frontend.nope", ""), (error) => {
    assert.ok(error instanceof GrpcError && !(error instanceof VarveError));
    assert.equal(error.message, "unsupported request frontend.nope");
    const [detail] = statusOf(error).details;
    assert.equal(detail?.typeUrl, "github.com/moby/buildkit/errdefs.Subrequest+json");
    assert.equal(Buffer.from(detail?.value ?? []).toString(), '{"name":"frontend.nope"}');
    return true;
  });
});
