import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { VarveError } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { NetMode } from "../proto/gen/ops_pb.ts";
import {
  type Detail,
  compatibilityDetail,
  decisionDetail,
  exitDetail,
  frontendCapDetail,
  frontendDetail,
  kindOf,
  materialsDetail,
  solveDetail,
  sourceDetail,
  stackDetail,
  subrequestDetail,
  vertexDetail,
} from "./detail.ts";
import { errorOf, quotedText, relayed, statusError, statusMessage, statusOf, withDetail } from "./status.ts";

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const show = ({ typeUrl, value }: Detail): string => `${typeUrl} ${Buffer.from(value).toString()}`;
const shown = (error: GrpcError): string[] => statusOf(error).details.map(show);
const named = (name: string): string => `github.com/moby/buildkit/${name}+json`;

suite("details", () => {
  test("are written as Go writes them", () => {
    const range = { start: { line: 2, character: 0 }, end: { line: 3, character: 4 } };
    const details = [
      vertexDetail(digest),
      sourceDetail({ filename: "Dockerfile", data: Buffer.from("FROM <x>") }, [range]),
      frontendDetail("dockerfile.v0"),
      frontendDetail("gateway.v0", "example/front"),
      frontendCapDetail("moby.buildkit.frontend.x"),
      subrequestDetail("frontend.nope"),
      compatibilityDetail(10, "x"),
      exitDetail(127),
      decisionDetail(1, ["not <this>"]),
      materialsDetail([{ op: "exec", name: "", method: "GET", uri: "http://x", reason: "r" }]),
      solveDetail({ inputIDs: [""], mountIDs: ["a", ""], subject: { case: "file", value: { index: 1n } } }),
    ];
    assert.deepEqual(details.map(show), [
      `${named("errdefs.Vertex")} {"digest":"${digest}"}`,
      `${named("errdefs.Source")} {"info":{"filename":"Dockerfile","data":"RlJPTSA8eD4="},"ranges":[{"start":{"line":2},"end":{"line":3,"character":4}}]}`,
      `${named("errdefs.Frontend")} {"name":"dockerfile.v0"}`,
      `${named("errdefs.Frontend")} {"name":"gateway.v0","source":"example/front"}`,
      `${named("errdefs.FrontendCap")} {"name":"moby.buildkit.frontend.x"}`,
      `${named("errdefs.Subrequest")} {"name":"frontend.nope"}`,
      `${named("errdefs.CompatibilityFeature")} {"version":10,"feature":"x"}`,
      `${named("gatewayapi.ExitMessage")} {"Code":127}`,
      `${named("policysession.DecisionResponse")} {"action":1,"denyMessages":[{"message":"not \\u003cthis\\u003e"}]}`,
      `${named("errdefs.ProvenanceMaterialsIncomplete")} {"incomplete":[{"op":"exec","method":"GET","uri":"http://x","reason":"r"}]}`,
      `${named("errdefs.Solve")} {"inputIDs":[""],"mountIDs":["a",""],"file":{"index":"1"}}`,
    ]);
  });

  test("an op in a detail has the names of BuildKit", () => {
    const op = {
      inputs: [{ digest, index: -1n }],
      op: {
        case: "exec" as const,
        value: {
          meta: { args: ["sh"], proxyEnv: {} },
          network: NetMode.HOST,
          mounts: [{ input: -1n, SSHOpt: { ID: "x" } }],
        },
      },
    };
    const text = show(solveDetail({ op }));
    const expected = `{"op":{"inputs":[{"digest":"${digest}","index":"-1"}],"exec":{"meta":{"args":["sh"],"proxyEnv":{}},"mounts":[{"input":"-1","SSHOpt":{"ID":"x"}}],"network":"HOST"}}}`;
    assert.equal(text, `${named("errdefs.Solve")} ${expected}`);
  });
});

suite("errors", () => {
  test("a wrapper is put before the others, behind what is no wrapper", () => {
    const [stack, unknown] = [
      { typeUrl: named("stack.Stack"), value: Buffer.from("{}") },
      { typeUrl: "type.googleapis.com/x", value: Buffer.from([1]) },
    ];
    const error = errorOf({ code: GrpcCode.unknown, message: "m", details: [unknown, stack, vertexDetail(digest)] });
    const wrapped = withDetail(error, frontendDetail("dockerfile.v0"), "outer: m");
    assert.equal(wrapped.message, "outer: m");
    const expected = [unknown, stack, frontendDetail("dockerfile.v0"), vertexDetail(digest)];
    assert.deepEqual(shown(wrapped), expected.map(show));
    assert.deepEqual(shown(withDetail(new Error("plain"), exitDetail(1))), [show(exitDetail(1))]);
  });

  test("a status that is sent on has its wrappers reversed, and unknown details first", () => {
    const [a, x, b] = [exitDetail(1), { typeUrl: "x", value: Buffer.from("x") }, exitDetail(2)];
    const vertex = vertexDetail(digest);
    const status = statusMessage({ code: GrpcCode.notFound, message: "m", details: [a, x, b, vertex] });
    const error = relayed(status);
    assert.deepEqual([error.code, error.message], [GrpcCode.notFound, "m"]);
    assert.deepEqual(shown(error), [x, vertex, b, a].map(show));
    const broken = { typeUrl: named("errdefs.Vertex"), value: Buffer.from("no JSON") };
    const mixed = relayed(statusMessage({ code: GrpcCode.ok, message: "", details: [a, broken] }));
    assert.deepEqual(shown(mixed), [broken, a].map(show));
    assert.equal(mixed.code, GrpcCode.unknown);
  });

  test("two hops are none", () => {
    const detail = fc.record({
      typeUrl: fc.constantFrom("x", named("errdefs.Vertex"), named("stack.Stack"), named("other")),
      value: fc.constantFrom("{}", "[]", "").map((text) => Buffer.from(text)),
    });
    fc.assert(
      fc.property(fc.array(detail), (details) => {
        const once = relayed(statusMessage({ code: GrpcCode.unknown, message: "m", details }));
        const twice = relayed(statusMessage(statusOf(relayed(statusMessage(statusOf(once))))));
        assert.deepEqual(shown(twice), shown(once));
      }),
    );
  });

  test("our errors have the codes that clients tell apart", () => {
    const cancelled = statusError(new VarveError("cancelled", "Cannot go on: cancelled"));
    assert.deepEqual([cancelled.code, cancelled.message], [GrpcCode.cancelled, "context canceled"]);
    const failed = statusError(
      new VarveError("step-failed", "it failed", { details: { exitCode: 3, vertex: `sha256:${"0".repeat(64)}` } }),
    );
    assert.equal(failed.code, GrpcCode.unknown);
    assert.deepEqual(shown(failed), [vertexDetail(`sha256:${"0".repeat(64)}`), exitDetail(3)].map(show));
    assert.equal(statusError(new TypeError("bug")).code, GrpcCode.unknown);
    const garbage = new GrpcError(GrpcCode.aborted, "m", { details: Buffer.from([0xff]) });
    assert.deepEqual(statusOf(garbage), { code: GrpcCode.aborted, message: "m", details: [] });
  });

  test("a quoted error names its code", () => {
    assert.equal(quotedText(new GrpcError(GrpcCode.notFound, "no dir")), "NotFound: no dir");
    assert.equal(quotedText(new GrpcError(GrpcCode.unknown, "failed")), "failed");
    assert.equal(quotedText(new Error("plain")), "plain");
  });
});

test("a stack of JavaScript becomes a detail of BuildKit", () => {
  const stack = `Error: x
    at Object.run [as go] (file:///src/a.ts:3:10)
    at async /src/b.ts:44:1
    at new Promise (<anonymous>)
    at node:internal/main:7:2`;
  const detail = stackDetail(stack);
  assert.equal(kindOf(detail), "stack");
  assert.deepEqual(JSON.parse(Buffer.from(detail.value).toString()), {
    frames: [
      { Name: "Object.run [as go]", File: "/src/a.ts", Line: 3 },
      { File: "/src/b.ts", Line: 44 },
      { File: "node:internal/main", Line: 7 },
    ],
    cmdline: ["varve"],
    pid: process.pid,
  });
});
