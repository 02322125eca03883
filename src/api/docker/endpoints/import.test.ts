import assert from "node:assert/strict";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Answer, type DockerServer, messagesOf, startDockerServer } from "../../../../testing/docker-server.ts";
import { collect } from "../../../io/index.ts";
import { writeTar } from "../../../layer/index.ts";

async function archive(): Promise<Buffer> {
  return await collect(writeTar([{ path: "far", mode: 0o644, body: "far\n" }]), 1 << 20, { what: "a test's archive" });
}

describe("an import from a URL", () => {
  let server: DockerServer;
  let http: Server;
  let host: string;
  before(async () => {
    server = await startDockerServer();
    const bytes = gzipSync(await archive());
    http = createServer(({ url }, response) => {
      response.writeHead(url === "/app.tar.gz" ? 200 : 404).end(url === "/app.tar.gz" ? bytes : "nothing here");
    }).listen(0, "127.0.0.1");
    await once(http, "listening");
    host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  });
  after(async () => {
    http.closeAllConnections();
    http.close();
    await server[Symbol.asyncDispose]();
  });
  const ask = async (source: string): Promise<Answer> =>
    await server.ask("POST", `/images/create?repo=far&tag=1&fromSrc=${encodeURIComponent(source)}`);

  test("imports the archive like a request's body, with or without a scheme", async () => {
    for (const source of [`http://${host}/app.tar.gz`, `${host}/app.tar.gz`]) {
      const [downloading, done] = messagesOf(await ask(source));
      assert.equal(downloading?.["status"], `Downloading from http://${host}/app.tar.gz`);
      const [entry] = JSON.parse((await server.ask("GET", "/images/far:1/history")).text) as [
        { readonly Id: string; readonly Comment: string },
      ];
      assert.deepEqual([entry.Id, entry.Comment], [done?.["status"], `Imported from http://${host}/app.tar.gz`]);
      const body = await archive();
      await server.ask("POST", "/images/create?fromSrc=-&repo=near&tag=1", { body });
      const [far, near] = await Promise.all(
        ["far:1", "near:1"].map(async (name) => {
          const { RootFS } = JSON.parse((await server.ask("GET", `/images/${name}/json`)).text) as {
            RootFS: unknown;
          };
          return RootFS;
        }),
      );
      assert.deepEqual(far, near);
    }
  });

  test("fails when the server fails, and for a malformed URL", async () => {
    const missing = await ask(`http://${host}/nothing`);
    assert.deepEqual(
      [missing.status, missing.text],
      [404, `{"message":"failed to GET http://${host}/nothing with status 404 Not Found: nothing here"}\n`],
    );
    for (const source of ["file:///etc/passwd", "data:,x", "http://[", "ftp://x/y"])
      assert.equal((await ask(source)).status, 400, source);
  });
});
