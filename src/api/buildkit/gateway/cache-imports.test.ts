import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { after, before, suite, test } from "node:test";
import { buildkitDaemon, driveBuild, encoded, solve, vertices } from "../../../../testing/buildkit-daemon.ts";
import { recordsMissing } from "../../../../testing/records.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../../testing/registry-server.ts";
import { invoke } from "../../../grpc/index.ts";
import { fileActions, scratch } from "../../../llb/index.ts";
import { LLBBridge, type SolveRequestSchema } from "../proto/gen/gateway_pb.ts";
import { called } from "../proto/methods.ts";

const skip = recordsMissing() ?? registryMissing() ?? false;
const file = fileActions().mkfile("/a", 0o644, "a");
/** Steps without inputs have no results in caches. */
const base = scratch().file(file).file(file, { name: "base" });
const top = base.file(fileActions().mkfile("/b", 0o644, "b"), { name: "top" });
const stack = new AsyncDisposableStack();
let registry: RegistryServer;
let cache: { readonly type: string; readonly attrs: Record<string, string> };

suite("caches that a call names", { skip }, () => {
  before(async () => {
    registry = stack.use(await startRegistry());
    cache = { type: "registry", attrs: { ref: `${registry.host}/cache:1`, mode: "max" } };
    await using seed = await buildkitDaemon();
    using client = await seed.grpc.client();
    const exporters = [{ type: "image", attrs: { name: `${registry.host}/app:1`, push: "true" } }];
    await solve(client, { definition: encoded(top), exporters, cache: { exports: [cache] } });
  });
  after(() => stack.disposeAsync());

  /** Drives a build with these calls, and returns which of its steps came from a cache. */
  async function cachedSteps(
    ...calls: readonly MessageInitShape<typeof SolveRequestSchema>[]
  ): Promise<Record<string, boolean>> {
    await using daemon = await buildkitDaemon();
    using client = await daemon.grpc.client();
    const { ref, call, ...build } = await driveBuild(client);
    for (const request of calls) {
      await invoke(client, called(LLBBridge.method.solve), request, call);
    }
    await build.return();
    const seen = await vertices(client, ref);
    return Object.fromEntries(["base", "top"].map((name) => [name, seen.get(name)?.cached === true]));
  }

  const bothCached = { base: true, top: true };
  const noneCached = { base: false, top: false };

  test("are asked for what it solves", async () => {
    const request = { definition: encoded(top), evaluate: true };
    const cacheImports = [cache];
    assert.deepEqual(await cachedSteps(request), noneCached);
    assert.deepEqual(await cachedSteps({ ...request, cacheImports }), bothCached);
  });

  test("are asked by later calls of the build, and again by no call", async () => {
    const cacheImports = [cache, cache];
    const calls = [
      { evaluate: true, definition: encoded(base), cacheImports },
      { evaluate: true, definition: encoded(top), cacheImports },
      { evaluate: true, definition: encoded(top) },
    ];
    assert.deepEqual(await cachedSteps(...calls), bothCached);
  });

  test("that cannot be read count as empty", async () => {
    const cacheImports = [
      { type: "registry", attrs: { ref: `${registry.host}/nothing:1` } },
      { type: "zzz", attrs: {} },
    ];
    assert.deepEqual(await cachedSteps({ evaluate: true, definition: encoded(top), cacheImports }), noneCached);
  });
});
