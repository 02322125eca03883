import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type SilentServer, startSilentServer } from "../../testing/silent-server.ts";
import { Varve, buildsUnavailable, finished } from "../../testing/varve.ts";

const skip = buildsUnavailable("git") ?? false;

describe("SIGINT during a wait for a server that never answers", { skip }, () => {
  let varve: Varve;
  let server: SilentServer;

  before(async () => {
    varve = await Varve.open();
    server = await startSilentServer();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await varve[Symbol.asyncDispose]();
  });

  async function interrupted(args: readonly string[]): Promise<void> {
    const asked = server.next();
    const child = varve.start(args);
    const ended = finished(child);
    await Promise.race([asked, ended]);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /interrupted by SIGINT/);
    assert.doesNotMatch(stderr, /bug in varve/);
  }

  test("ends a pull", async () => await interrupted(["pull", `${server.host}/app:1`]));

  test("ends a build that waits for a base, a file or a repository", async () => {
    const sources = {
      base: `FROM ${server.host}/app:1\n`,
      file: `FROM scratch\nADD http://${server.host}/file /\n`,
      repository: `FROM scratch\nADD http://${server.host}/app.git /\n`,
    };
    for (const [name, dockerfile] of Object.entries(sources))
      await interrupted(["build", "--progress=plain", "-o", "type=cacheonly", await varve.context(name, dockerfile)]);
  });
});
