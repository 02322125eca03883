import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import {
  type BuildkitDaemon,
  buildkitDaemon,
  driveBuild,
  encoded,
  solve,
  vertices,
} from "../../../../../testing/buildkit-daemon.ts";
import { buildFrontend } from "../../../../../testing/frontends.ts";
import { NOTHING_LEFT, findLeftovers, processesOf } from "../../../../../testing/leftovers.ts";
import { generatedRuns } from "../../../../../testing/sampled.ts";
import { buildsUnavailable } from "../../../../../testing/varve.ts";
import { type GrpcClient, GrpcCode, GrpcError, invoke, invokeServerStream } from "../../../../grpc/index.ts";
import { fileActions, scratch } from "../../../../llb/index.ts";
import { statusOf } from "../../errors/status.ts";
import { Control, type SolveResponse } from "../../proto/gen/control_pb.ts";
import { LLBBridge } from "../../proto/gen/gateway_pb.ts";
import { called } from "../../proto/methods.ts";

const { method: bridge } = LLBBridge;
/** Nobody listens there, so that the images in the store are used. */
const RECIPE = "localhost:1/recipe:1";
const HOSTILE = "localhost:1/hostile:1";
/** Builds at a time, half of which are killed, and how often. */
const [AT_ONCE, ROUNDS] = [generatedRuns(4, 10), generatedRuns(2, 50)];

function fileInput(text: string): Uint8Array {
  return encoded(scratch().file(fileActions().mkfile("/Dockerfile", 0o644, text)));
}

interface Details {
  readonly code: GrpcCode;
  readonly message: string;
  readonly names: readonly string[];
  /** The first line of each position. */
  readonly lines: readonly number[];
}

function detailsOf(error: unknown): Details {
  assert.ok(error instanceof GrpcError, String(error));
  const { code, message, details } = statusOf(error);
  const json = details.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as Positioned);
  return {
    code,
    message,
    names: details.map(({ typeUrl }) => typeUrl.replace("github.com/moby/buildkit/", "").replace("+json", "")),
    lines: json.flatMap(({ ranges = [] }) => ranges.map(({ start }) => start.line)),
  };
}

interface Positioned {
  readonly ranges?: readonly { readonly start: { readonly line: number } }[];
}

async function failureOf(work: Promise<unknown>): Promise<Details> {
  return detailsOf(
    await work.then(
      () => assert.fail("it was built"),
      (error: unknown) => error,
    ),
  );
}

suite("front ends that are images", { skip: buildsUnavailable() ?? false }, () => {
  let daemon: BuildkitDaemon;
  let client: GrpcClient;
  before(async () => {
    daemon = await buildkitDaemon();
    client = await daemon.grpc.client();
    await buildFrontend(daemon.store, "recipe", RECIPE);
    await buildFrontend(daemon.store, "hostile", HOSTILE);
  });
  after(async () => {
    client?.close();
    await daemon?.[Symbol.asyncDispose]();
  });

  /** Builds a recipe as clients ask for it that name the front end. */
  const recipe = async (text: string, attrs: Record<string, string> = {}): Promise<SolveResponse> =>
    await solve(client, {
      frontend: "gateway.v0",
      frontendAttrs: { source: RECIPE, ...attrs },
      frontendInputs: { dockerfile: fileInput(text) },
    });

  /** Builds a file as clients ask for it that do not. */
  const dockerfile = async (text: string, attrs: Record<string, string> = {}): Promise<SolveResponse> =>
    await solve(client, {
      frontend: "dockerfile.v0",
      frontendAttrs: attrs,
      frontendInputs: { dockerfile: fileInput(text), context: fileInput(text) },
    });

  const hostile = async (attrs: Record<string, string> = {}): Promise<SolveResponse> =>
    await solve(client, { frontend: "gateway.v0", frontendAttrs: { source: HOSTILE, ...attrs } });

  const nothing = (): Omit<Parameters<typeof findLeftovers>[0], "marks"> => ({
    stateDir: join(daemon.store.root, "run"),
    pid: process.pid,
  });

  /** Builds a recipe, and returns the files of its result that are named. */
  async function filesOf(
    text: string,
    paths: readonly string[],
    attrs: Record<string, string> = {},
  ): Promise<string[]> {
    const build = await driveBuild(client);
    const { result } = await invoke(
      client,
      called(bridge.solve),
      {
        frontend: "dockerfile.v0",
        frontendOpt: attrs,
        frontendInputs: { dockerfile: fileInput(text), context: fileInput(text) },
        allowResultReturn: true,
        allowResultArrayRef: true,
      },
      build.call,
    );
    assert.ok(result?.result.case === "ref");
    const ref = result.result.value.id;
    const read = paths.map(async (filePath) => {
      const { data } = await invoke(client, called(bridge.readFile), { ref, filePath }, build.call);
      return Buffer.from(data).toString();
    });
    const texts = await Promise.all(read);
    await build.return();
    return texts;
  }

  test("a directive names one, which gets the options and makes the result", async () => {
    const text = `# syntax=${RECIPE} words\nfile /one first\nfile /two second\nshow cmdline\nshow build-arg:A\n`;
    const paths = ["one", "two", "cmdline", "build-arg-A"];
    const found = await filesOf(text, paths, { "build-arg:A": "x=y\nz" });
    assert.deepEqual(found, ["first", "second", `${RECIPE} words`, "x=y\nz"]);
  });

  test("it asks another front end", async () => {
    const text =
      String.raw`# syntax=${RECIPE}` +
      String.raw`
dockerfile FROM scratch\nCOPY Dockerfile /copied`;
    assert.deepEqual(await filesOf(text, ["copied"]), ["FROM scratch\nCOPY Dockerfile /copied"]);
  });

  test("a build argument names one; what the built-in one knows does not run", async () => {
    const other = { "build-arg:BUILDKIT_SYNTAX": RECIPE };
    assert.deepEqual(await filesOf("# syntax=docker/dockerfile:1\nfile /a b\n", ["a"], other), ["b"]);
    const known = { "build-arg:BUILDKIT_SYNTAX": "docker/dockerfile:1.4" };
    assert.deepEqual(await filesOf(`# syntax=${RECIPE}\nFROM scratch\nCOPY Dockerfile /a\n`, ["a"], known), [
      `# syntax=${RECIPE}\nFROM scratch\nCOPY Dockerfile /a\n`,
    ]);
    const failed = await failureOf(dockerfile("fail no\n", { "build-arg:BUILDKIT_SYNTAX": `${RECIPE} x` }));
    assert.deepEqual([failed.message, failed.lines], ["no", [1]]);
    const exited = await failureOf(dockerfile("exit 3 ouch\n", { "build-arg:BUILDKIT_SYNTAX": `${RECIPE} x` }));
    assert.equal(
      exited.message,
      `failed with build-arg:BUILDKIT_SYNTAX = ${RECIPE} x: process "/bin/node /recipe.mjs" did not complete successfully: exit code: 3: ouch`,
    );
  });

  test("its progress and warnings are those of the build", async () => {
    const ref = randomUUID();
    const request = {
      ref,
      frontend: "gateway.v0",
      frontendAttrs: { source: RECIPE },
      frontendInputs: { dockerfile: fileInput("file /a b\nwarn be careful\n") },
    };
    const warned = (async () => {
      const texts: string[] = [];
      for await (const { warnings } of invokeServerStream(client, called(Control.method.status), { ref }))
        texts.push(...warnings.map(({ short }) => Buffer.from(short).toString()));
      return texts;
    })();
    await solve(client, request);
    assert.deepEqual(await warned, ["be careful"]);
    const names = [...(await vertices(client, ref)).keys()];
    assert.ok(names.includes("file /a"), names.join());
    assert.ok(names.includes(`[internal] run front end ${RECIPE}`), names.join());
  });

  test("questions are answered by it", async () => {
    const build = await driveBuild(client);
    const asked = {
      frontend: "gateway.v0",
      frontendOpt: {
        source: RECIPE,
        requestid: "frontend.targets",
        "frontend.caps": "moby.buildkit.frontend.subrequests",
      },
      frontendInputs: { dockerfile: fileInput("") },
      allowResultReturn: true,
      allowResultArrayRef: true,
    };
    const { result } = await invoke(client, called(bridge.solve), asked, build.call);
    assert.equal(Buffer.from(result?.metadata["result.txt"] ?? "").toString(), "one target\n");
    await build.return();
  });

  test("errors are those that it returns, or those of its process", async () => {
    const own = await failureOf(dockerfile(`# syntax=${RECIPE}\n\nfail this is wrong\n`));
    assert.deepEqual([own.code, own.message, own.lines], [GrpcCode.unknown, "this is wrong", [3]]);
    const exited = await failureOf(dockerfile(`#!/bin/x\n# syntax=${RECIPE}\nexit 3 ouch\n`));
    assert.equal(exited.message, 'process "/bin/node /recipe.mjs" did not complete successfully: exit code: 3: ouch');
    assert.deepEqual(exited.lines, [2]);
    assert.ok(exited.names.includes("gatewayapi.ExitMessage"));
    assert.equal((await failureOf(hostile({ "build-arg:mode": "silent" }))).message, "no result for incomplete build");
    const garbage = await failureOf(hostile({ "build-arg:mode": "garbage" }));
    assert.equal(garbage.message, "frontend grpc server closed unexpectedly");
    const unknown = await failureOf(dockerfile("# syntax=localhost:1/nobody:1\n"));
    assert.match(unknown.message, /localhost:1/);
    assert.deepEqual(unknown.lines, [1]);
  });

  test("capabilities that it lacks are refused", async () => {
    const lacking = await failureOf(recipe("file /a b", { "frontend.caps": "moby.buildkit.frontend.other" }));
    assert.equal(lacking.code, GrpcCode.unimplemented);
    assert.equal(lacking.message, "unsupported frontend capability moby.buildkit.frontend.other");
    assert.ok(lacking.names.includes("errdefs.FrontendCap"));
    const inputs = await failureOf(
      solve(client, {
        frontend: "gateway.v0",
        frontendAttrs: { source: HOSTILE },
        frontendInputs: { x: fileInput("") },
      }),
    );
    assert.equal(inputs.message, "unsupported frontend capability moby.buildkit.frontend.inputs");
    const forwarded = await failureOf(
      dockerfile("FROM scratch\n", { "frontend.caps": "moby.buildkit.frontend.x+forward" }),
    );
    assert.equal(forwarded.message, "unsupported frontend capability moby.buildkit.frontend.x");
    const text = `# syntax=${RECIPE}\nfile /a b\n`;
    const passed = await failureOf(dockerfile(text, { "frontend.caps": "moby.buildkit.frontend.x+forward" }));
    assert.equal(passed.message, "unsupported frontend capability moby.buildkit.frontend.x");
    assert.deepEqual(passed.lines, [1]);
  });

  test("a hostile one reaches nothing of other builds or of the machine", async () => {
    const victim = await driveBuild(client);
    const secret = encoded(scratch().file(fileActions().mkfile("/secret", 0o600, "the secret")));
    const asked = { definition: secret, allowResultReturn: true, allowResultArrayRef: true };
    const { result } = await invoke(client, called(bridge.solve), asked, victim.call);
    assert.ok(result?.result.case === "ref");
    const { exporterResponse } = await hostile({
      "build-arg:build": victim.ref,
      "build-arg:other": result.result.value.id,
      "build-arg:socket": join(daemon.store.root, "workerid"),
    });
    await victim.return();
    const report = JSON.parse(exporterResponse["frontend.report"] ?? "{}") as Record<string, Attempt>;
    const { sees, ...attempts } = report;
    const said = Object.entries(attempts).map(([what, { answer, error }]) => [
      what,
      answer === undefined ? error : null,
    ]);
    assert.deepEqual(
      said.filter(([, error]) => error === null),
      [],
    );
    const errors = Object.fromEntries(said) as Record<string, string>;
    assert.match(errors["path above the root"] ?? "", /no such file/);
    assert.match(errors["link out of the root"] ?? "", /no such file/);
    assert.match(errors["reference of another build"] ?? "", /^no such ref: /);
    assert.match(errors["id of another build"] ?? "", /^no such ref: /);
    assert.match(errors["return of another build's reference"] ?? "", /^return reference .* not found$/);
    assert.match(errors["a local directory of nobody"] ?? "", /session/);
    assert.match(errors["a large message"] ?? "", /larger|exceeds|max/);
    assert.equal(errors["a result of many"], "a result has more than 1000 references");
    assert.match(errors["a host's network"] ?? "", /network.host is not allowed/);
    assert.match(errors["a file name out of its place"] ?? "", /is no file name/);
    assert.match(errors["a container of another build's reference"] ?? "", /return reference .* not found$/);
    assert.equal(errors["containers by the hundred"], "a build has at most 64 containers at once");
    assert.match(errors["another service"] ?? "", /unknown/);
    assert.equal(errors["a front end of that name"], "invalid frontend: other.v0");
    assert.match(errors["a file of the machine"] ?? "", /ENOENT/);
    assert.equal(sees?.processes, 1);
    assert.deepEqual(findLeftovers({ ...nothing(), marks: [daemon.store.root] }).mounts, []);
  });

  test("one that runs for ever ends with its build, and others go on", async () => {
    const stop = new AbortController();
    const mark = randomUUID();
    const running = ["endless", "flood"].map((mode) =>
      invoke(
        client,
        called(Control.method.solve),
        {
          ref: randomUUID(),
          frontend: "gateway.v0",
          frontendAttrs: { source: HOSTILE, "build-arg:mode": mode, mark },
        },
        { signal: stop.signal },
      ),
    );
    while (processesOf(mark).length < running.length) await recipe("file /a b\n");
    stop.abort();
    for (const each of running) await assert.rejects(each, { code: GrpcCode.cancelled });
    while (processesOf(mark).length > 0) await recipe("file /a b\n");
  });

  test("many, some of them killed, leave nothing behind", async () => {
    const text = "file /a b\nfile /c d\n";
    const mark = randomUUID();
    const query = { ...nothing(), marks: [mark] };
    const waiting = "wait\n";
    for (let round = 0; round < ROUNDS; round += 1) {
      const stop = new AbortController();
      const killed = Array.from({ length: AT_ONCE / 2 }, () =>
        assert.rejects(
          invoke(
            client,
            called(Control.method.solve),
            {
              ref: randomUUID(),
              frontend: "gateway.v0",
              frontendAttrs: { source: RECIPE, mark },
              frontendInputs: { dockerfile: fileInput(waiting) },
            },
            { signal: stop.signal },
          ),
          { code: GrpcCode.cancelled },
        ),
      );
      await Promise.all(Array.from({ length: AT_ONCE / 2 }, () => recipe(text, { mark })));
      stop.abort();
      await Promise.all(killed);
    }
    // A client that cancels does not wait for the end of its build.
    while (!isDeepStrictEqual(findLeftovers(query), NOTHING_LEFT)) await recipe(text);
    assert.deepEqual(findLeftovers({ ...query, marks: [daemon.store.root] }).mounts, []);
  });
});

interface Attempt {
  readonly answer?: string;
  readonly error?: string;
  readonly processes?: number;
}
