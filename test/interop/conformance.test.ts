import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type CaseOutcome, type Engine, buildCase } from "../../conformance/build-case.ts";
import { CASES } from "../../conformance/cases/index.ts";
import { DIFFERENCES, without } from "../../conformance/differences.ts";
import { type DockerServer, startDockerServer } from "../../testing/docker-server.ts";
import { type Dockerd, newerDocker, startDockerd } from "../../testing/dockerd.ts";
import { Varve, busyboxImage, buildsUnavailable } from "../../testing/varve.ts";

const newer = newerDocker();
const skip = buildsUnavailable() ?? (newer === undefined ? "no newer Docker can be had here" : undefined);
const BASE = "conformance.test/base:1";

suite("the classic builder beside Docker's", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let theirs: Engine;
  let ours: Engine;

  before(async () => {
    if (newer === undefined) return;
    const varve = stack.use(await Varve.open());
    const docker: Dockerd = stack.use(await startDockerd({ newer, images: "graphdriver", experimental: true }));
    const server: DockerServer = stack.use(await startDockerServer());
    folder = varve.folder;
    await busyboxImage(varve, BASE);
    await varve.run(["save", "-o", join(folder, "base.tar"), BASE]);
    const load = ["load", "-i", join(folder, "base.tar")];
    const classic = { DOCKER_BUILDKIT: "0" };
    const env = { ...classic, DOCKER_HOST: `unix://${server.socket}` };
    await docker.docker(load);
    await docker.docker(load, { env });
    theirs = { docker: (args) => docker.tryDocker(args, { env: classic }), base: BASE };
    ours = { docker: (args) => docker.tryDocker(args, { env }), base: BASE };
  });
  after(() => stack.disposeAsync());

  for (const [index, one] of CASES.entries()) {
    test(one.name, async () => {
      const build = async (engine: Engine, who: string): Promise<CaseOutcome> => {
        const at = join(folder, `case-${index}-${who}`);
        await mkdir(at);
        return await buildCase(one, engine, at);
      };
      const [expected, actual] = [await build(theirs, "docker"), await build(ours, "varve")];
      const known = DIFFERENCES.get(one.name)?.part;
      assert.deepEqual(without(actual, known), without(expected, known));
      // What no longer differs has no place in the table.
      if (known !== undefined) assert.notDeepEqual(actual, expected);
    });
  }
});
