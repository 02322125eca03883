import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../../../testing/garbage.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { StatusLog } from "../../../history/index.ts";
import type { ForwardedBuild } from "../gateway/forwarded-build.ts";
import { Job } from "./job.ts";

// What a job is given is only kept and returned.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no call of it is made
const someBuild = (): ForwardedBuild => ({}) as ForwardedBuild;

test("a job returns the build that a client drives, also to who asked before", async () => {
  const job = new Job("r", new StatusLog());
  const early = job.forwarded;
  const build = someBuild();
  job.drive(build);
  assert.equal(await early, build);
  assert.equal(await job.forwarded, build);
});

test("a job that has ended is none to who drives it", async () => {
  const driven = new Job("r", new StatusLog());
  driven.drive(someBuild());
  driven.end(undefined);
  const gone = (error: unknown): boolean =>
    error instanceof GrpcError && error.code === GrpcCode.notFound && error.message === "no such job r";
  await assert.rejects(driven.forwarded, gone);
  const failed = new Job("r", new StatusLog());
  const early = failed.forwarded;
  failed.end(new Error("no front end"));
  await assert.rejects(early, /^Error: no front end$/);
  await assert.rejects(failed.forwarded, /^Error: no front end$/);
});

test("a job that has ended does not keep its build in memory", async () => {
  const job = new Job("r", new StatusLog());
  const driven = ((): WeakRef<ForwardedBuild> => {
    const build = someBuild();
    job.drive(build);
    return new WeakRef(build);
  })();
  await job.forwarded;
  job.end(undefined);
  for (let round = 0; round < 10 && driven.deref() !== undefined; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  assert.equal(driven.deref(), undefined);
  await assert.rejects(job.forwarded);
});
