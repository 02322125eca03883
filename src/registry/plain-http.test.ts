import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Prints which of Node's modules for TLS a process has loaded after it asked a registry without TLS. */
const PROGRAM = `
const { createServer } = process.getBuiltinModule("node:http");
const { Registry } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
const { parseReference } = await import(${JSON.stringify(new URL("../core/index.ts", import.meta.url).href)});
const server = createServer((request, response) => {
  response.setHeader("docker-content-digest", "sha256:" + "0".repeat(64));
  response.setHeader("content-type", "application/vnd.oci.image.manifest.v1+json");
  response.setHeader("content-length", "2");
  response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
{
  using registry = new Registry({ config: { registries: { ["127.0.0.1:" + server.address().port]: { http: true } } } });
  const { size } = await registry.resolve(parseReference("127.0.0.1:" + server.address().port + "/app:1"));
  console.log(size, process.moduleLoadList.filter((name) => /^NativeModule (?:tls|https)$/.test(name)).join());
}
server.close();
`;

test("a registry without TLS needs none of Node's modules for it", async () => {
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", PROGRAM]);
  assert.equal(stdout, "2 \n");
});
