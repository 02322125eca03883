import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { gitMissing, startGitServer } from "../../testing/git-server.ts";
import { recordsMissing, temporaryRecords } from "../../testing/records.ts";
import type { Wait } from "../io/index.ts";
import { GitSource } from "./git.ts";

const skip = recordsMissing() ?? gitMissing() ?? false;

test(
  "a server that never answers over git's own protocol is given up, and git left with all it started",
  { skip },
  async () => {
    await using fixture = await temporaryRecords();
    const connections: Socket[] = [];
    const silent = createServer((socket) => void connections.push(socket.on("error", () => undefined))).listen(
      0,
      "127.0.0.1",
    );
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const git = (): GitSource => new GitSource(fixture.records, join(fixture.root, "git"));
    const remote = `git://127.0.0.1:${port}/app.git`;
    const quiet = { code: "remote", message: /sent nothing for 0\.3 s/ };
    await assert.rejects(git().resolve({ remote, quiet: 300 }, {}), quiet);
    const waits: string[] = [];
    const onWait = (wait: Wait): void => void waits.push(`${wait.host} ${wait.state} ${wait.ms}`);
    await assert.rejects(git().resolve({ remote, quiet: 2000, notice: 100 }, { onWait }), { code: "remote" });
    assert.deepEqual(
      waits.slice(0, 3),
      [100, 200, 400].map((ms) => `127.0.0.1:${port} quiet ${ms}`),
    );
    const ref = "0".repeat(40);
    const resolved = await git().resolve({ remote, ref, quiet: 300 }, {});
    await assert.rejects(git().record(resolved, fixture.hold), quiet);
    assert.equal(connections.length, 3);
    for (const scheme of ["git", "http"]) {
      const gone = new AbortController();
      const asked = once(silent, "connection") as Promise<[Socket]>;
      const waiting = git().resolve({ remote: remote.replace("git", scheme) }, { signal: gone.signal });
      waiting.catch(() => undefined);
      const [socket] = await asked;
      const closed = once(socket, "close");
      gone.abort();
      await assert.rejects(waiting, { code: "cancelled" });
      socket.resume();
      await closed;
    }
    silent.close();
  },
);

test("a submodule on a server that never answers is given up", { skip }, async () => {
  await using fixture = await temporaryRecords();
  await using served = await startGitServer();
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const work = served.create("app");
  const url = `git://127.0.0.1:${(silent.address() as AddressInfo).port}/lib.git`;
  await writeFile(join(work, ".gitmodules"), `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`);
  served.git("app.git", "add", ".");
  served.git("app.git", "update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},lib`);
  served.git("app.git", "commit", "--quiet", "-m", "one");
  const source = new GitSource(fixture.records, join(fixture.root, "git"));
  const resolved = await source.resolve({ remote: `${served.url}/app.git`, quiet: 1000 }, {});
  await assert.rejects(source.record(resolved, fixture.hold), {
    code: "remote",
    message: /submodule.*sent nothing for 1 s/,
  });
  silent.close();
});
