import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { GrpcCode } from "../../../../grpc/index.ts";
import { ForwardedBuild } from "../../gateway/forwarded-build.ts";
import { GatewayRefs } from "../../gateway/gateway-refs.ts";
import { returned } from "../../gateway/return.ts";
import { ReturnRequestSchema } from "../../proto/gen/gateway_pb.ts";
import { NO_SOURCES } from "../../result/sources.ts";
import { FrontendBudget } from "./budget.ts";
import { ErrorTail } from "./error-tail.ts";

const TOO_MANY = { code: GrpcCode.resourceExhausted };

test("front ends inside each other, and those that run at once, are limited", () => {
  let depth = 0;
  const descend = (budget: FrontendBudget): void => {
    using entered = budget.enter();
    depth += 1;
    descend(entered.inner);
  };
  const budget = new FrontendBudget();
  assert.throws(() => descend(budget), TOO_MANY);
  assert.equal(depth, 8);
  using running = new DisposableStack();
  for (let count = 0; count < 32; count += 1) running.use(budget.enter());
  assert.throws(() => budget.enter(), TOO_MANY);
  running.dispose();
  budget.enter()[Symbol.dispose]();
});

test("containers of a build are limited, with those of its front ends", () => {
  const budget = new FrontendBudget();
  using entered = budget.enter();
  using running = new DisposableStack();
  for (let count = 0; count < 64; count += 1) running.use((count % 2 === 0 ? budget : entered.inner).enterContainer());
  assert.throws(() => entered.inner.enterContainer(), TOO_MANY);
  running.dispose();
  budget.enterContainer()[Symbol.dispose]();
});

/** Nothing of these limits needs a build. */
const HOST = {} as ConstructorParameters<typeof GatewayRefs>[0];

function forwarded(refs: GatewayRefs): ForwardedBuild {
  const parts = { build: {}, refs, inputs: new Map(), trace: {} };
  return new ForwardedBuild(parts as unknown as ConstructorParameters<typeof ForwardedBuild>[0]);
}

test("references, warnings and the filesystems of a result are limited", async () => {
  const refs = new GatewayRefs(HOST);
  const build = forwarded(refs);
  const ids = Array.from({ length: 10_000 }, () => refs.add({ edge: undefined, sources: NO_SOURCES }));
  assert.throws(() => refs.add({ edge: undefined, sources: NO_SOURCES }), TOO_MANY);
  for (let count = 0; count < 10_000; count += 1) build.countWarning();
  assert.throws(() => build.countWarning(), TOO_MANY);
  const result = (count: number): Parameters<typeof returned>[1] => {
    const named = Object.fromEntries(Array.from({ length: count }, (_, index) => [`p/${index}`, { id: ids[0] ?? "" }]));
    return create(ReturnRequestSchema, { result: { result: { case: "refs", value: { refs: named } } } });
  };
  await assert.rejects(returned(build, result(1001)), TOO_MANY);
  await returned(build, result(1000));
});

test("of what a front end writes to standard error, the end is kept", () => {
  const tail = new ErrorTail();
  assert.equal(tail.suffix, "");
  tail.add(Buffer.from("first\n"));
  for (let count = 0; count < 100; count += 1) tail.add(Buffer.alloc(1000, "x"));
  tail.add(Buffer.from("the last line\n"));
  assert.match(tail.suffix, /^: x{1000,2048}the last line$/);
});
