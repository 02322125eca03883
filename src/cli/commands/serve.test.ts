import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { askSocket } from "../../../testing/docker-server.ts";
import { Varve, finished } from "../../../testing/varve.ts";
import { hasCapability } from "../../linux/index.ts";

test("varve serve answers on its socket until it is stopped, and leaves no files", async () => {
  await using varve = await Varve.open();
  const socket = join(varve.folder, "docker.sock");
  const child = varve.start([
    "serve",
    "--docker",
    `unix://${socket}`,
    "--docker",
    "tcp://127.0.0.1:0",
    "--insecure-tcp",
  ]);
  using _child = { [Symbol.dispose]: () => void child.kill("SIGKILL") };
  const exited = once(child, "exit");
  assert.ok(child.stdout !== null);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 2) break;
  }
  assert.equal(lines[0], `API listen on unix://${socket}`);
  assert.match(lines[1] ?? "", /^API listen on tcp:\/\/127\.0\.0\.1:\d+$/);
  if (hasCapability("sys_admin")) for (const each of namespaces(child.pid)) assert.notEqual(each, namespaces()[0]);
  const { Version: version } = JSON.parse((await askSocket(socket, "GET", "/version")).text) as { Version: string };
  assert.match((await varve.run(["version"])).stdout, new RegExp(`^varve ${version} `));
  const events = askSocket(socket, "GET", "/events");
  await askSocket(socket, "GET", "/_ping");
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
  assert.equal((await events).status, 200);
  assert.deepEqual((await readdir(varve.folder)).toSorted(), ["docker.sock.lock", "root"]);
});

/** Returns the mount namespaces of the threads that access files: the main thread, and libuv's pool. */
function namespaces(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/task`)
    .filter((thread) => /^node-Main|^node$|^libuv/.test(readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8")))
    .map((thread) => readlinkSync(`/proc/${pid}/task/${thread}/ns/mnt`));
}

/** The file descriptor of a socket that this process listens on, as a service manager has one. */
async function listeningSocket(server: Server, on: { path: string } | { port: number }): Promise<number> {
  server.listen(on);
  await once(server, "listening");
  return (Reflect.get(server, "_handle") as { readonly fd: number }).fd;
}

test("varve serve takes the unix sockets that it inherits, and no TCP sockets", async () => {
  await using varve = await Varve.open();
  const path = join(varve.folder, "docker.sock");
  await using parent = createServer();
  const inherited = [await listeningSocket(parent, { path })];
  const child = varve.start(["serve", "--docker", "fd://"], { inherited });
  using _child = { [Symbol.dispose]: () => void child.kill("SIGKILL") };
  assert.ok(child.stdout !== null);
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit");
  assert.deepEqual(await Promise.race([once(lines, "line"), exited]), ["API listen on fd://3"]);
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
  await using tcp = createServer();
  const refused = await finished(
    varve.start(["serve", "--docker", "fd://"], { inherited: [await listeningSocket(tcp, { port: 0 })] }),
  );
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /Cannot listen on fd:\/\/3: it is not a unix socket/);
});

test("varve serve rejects unauthenticated access and incomplete flags", async () => {
  await using varve = await Varve.open();
  const refused: readonly [args: readonly string[], says: RegExp][] = [
    [[], /expected --docker ADDR/],
    [["--docker", "/run/x"], /expected unix:\/\/\/path, tcp:\/\/host:port or fd:\/\//],
    [["--docker", "tcp://127.0.0.1:0"], /TCP clients would not be authenticated/],
    [["--docker", "tcp://0.0.0.0:0", "--insecure-tcp"], /not a loopback address/],
    [["--docker", "tcp://127.0.0.1:0", "--tlsverify"], /expected --tlscacert/],
  ];
  for (const [args, says] of refused) {
    const { code, stderr } = await varve.run(["serve", ...args]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});
