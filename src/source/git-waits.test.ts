import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { gitMissing } from "../../testing/git-server.ts";
import { recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { GitSource } from "./git.ts";

const skip = recordsMissing() ?? gitMissing() ?? false;

test(
  "a server that never answers over git's own protocol is given up, and git left with all it started",
  { skip },
  async () => {
    await using room = await temporaryRecords();
    const connections: Socket[] = [];
    const silent = createServer((socket) => void connections.push(socket.on("error", () => undefined))).listen(
      0,
      "127.0.0.1",
    );
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const git = (): GitSource => new GitSource(room.records, join(room.root, "git"));
    const remote = `git://127.0.0.1:${port}/app.git`;
    const quiet = { code: "remote", message: /sent nothing for 0\.3 s/ };
    await assert.rejects(git().resolve({ remote, quiet: 300 }, undefined), quiet);
    const ref = "0".repeat(40);
    const resolved = await git().resolve({ remote, ref, quiet: 300 }, undefined);
    await assert.rejects(git().record(resolved, room.hold), quiet);
    assert.equal(connections.length, 2);
    for (const scheme of ["git", "http"]) {
      const gone = new AbortController();
      const asked = once(silent, "connection") as Promise<[Socket]>;
      const asking = git().resolve({ remote: remote.replace("git", scheme) }, gone.signal);
      asking.catch(() => undefined);
      const [socket] = await asked;
      const closed = once(socket, "close");
      gone.abort();
      await assert.rejects(asking, { code: "cancelled" });
      socket.resume();
      await closed;
    }
    silent.close();
  },
);
