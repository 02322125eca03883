import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { busyboxRootfs } from "../../testing/rootfs.ts";
import { runtimeSetup } from "../../testing/runtimes.ts";
import { temporaryDirectory } from "../io/index.ts";
import { Networks, ProxyCapture } from "../network/index.ts";
import { findRuntime } from "./find.ts";
import { createRunner } from "./runner.ts";
import type { RunSpec } from "./types.ts";

const skip = (await runtimeSetup("crun")).unavailable ?? false;
const BUNDLE = "etc/ssl/certs/ca-certificates.crt";

describe("a step with a proxy", { skip }, () => {
  test("reaches others by it only, and trusts it while it runs", async () => {
    await using state = await temporaryDirectory();
    await using rootfs = await busyboxRootfs();
    await using networks = new Networks({}, join(state.path, "net"));
    await using runner = await createRunner({ stateDir: join(state.path, "run"), networks });
    const server = createServer((_message, response) => void response.end("hello\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    using _closed = { [Symbol.dispose]: () => void server.close() };
    const { port } = server.address() as AddressInfo;
    const bundle = join(rootfs.path, BUNDLE);
    mkdirSync(join(rootfs.path, "etc/ssl/certs"), { recursive: true });
    writeFileSync(bundle, "certificates");
    utimesSync(bundle, 1e9, 1e9);
    const capture = new ProxyCapture();
    const run = async (script: string, more: Partial<RunSpec> = {}): Promise<string> => {
      let output = "";
      await runner.run({
        rootfs: rootfs.path,
        process: { args: ["sh", "-c", script], env: ["PATH=/bin"], cwd: "/", user: "" },
        proxy: { capture },
        onOutput: (_, chunk) => void (output += Buffer.from(chunk).toString()),
        ...more,
      });
      return output;
    };
    const url = `http://127.0.0.1:${port}/file`;
    const printed = await run(
      `env NO_PROXY= no_proxy= wget -q -O- ${url}; wget -q -T 5 -O- ${url} 2>/dev/null || echo refused; grep -c 'proxy CA begin' /${BUNDLE}; ls /sys/class/net; echo more >> /${BUNDLE}`,
    );
    assert.equal(printed, "hello\nrefused\n1\nlo\n");
    assert.equal(readFileSync(bundle, "latin1"), "certificates\nmore\n");
    assert.deepEqual(
      capture.requests.map(({ url: asked, status }) => [asked, status]),
      [[url, 200]],
    );
    assert.equal(await run("env | grep -ci proxy; true", { network: "none" }), "0\n");
    utimesSync(bundle, 1e9, 1e9);
    assert.match(await run(`env NO_PROXY= no_proxy= wget -q -O- ${url}`, { network: "host" }), /hello/);
    assert.equal(statSync(bundle).mtimeMs, 1e12);
  });
});

for (const name of ["crun", "runc"] as const) {
  const { unavailable } = await runtimeSetup(name);
  test(`${name}: a process that joins a step is in its network`, { skip: unavailable ?? false }, async () => {
    await using state = await temporaryDirectory();
    await using rootfs = await busyboxRootfs();
    await using networks = new Networks({}, join(state.path, "net"));
    const runtime = await findRuntime([name]);
    await using runner = await createRunner({ stateDir: join(state.path, "run"), networks, runtime });
    const process = (script: string): RunSpec["process"] => ({
      args: ["sh", "-c", script],
      env: ["PATH=/bin"],
      cwd: "/",
      user: "",
    });
    await using step = await runner.start({
      rootfs: rootfs.path,
      process: process("sleep 600"),
      proxy: { capture: new ProxyCapture() },
    });
    let output = "";
    const joined = await step.join({
      process: process("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; netstat -ltn | grep -c :"),
      onOutput: (_, chunk) => void (output += Buffer.from(chunk).toString()),
    });
    await joined.drained;
    assert.equal(output, "lo\n1\n");
    assert.equal((await joined.exited).exitCode, 0);
  });
}
