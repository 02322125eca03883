import assert from "node:assert/strict";
import { test } from "node:test";
import { splitArgv } from "../global-flags.ts";
import { readRequest } from "./read-request.ts";
import { isForwardable } from "./request.ts";

test("a server runs the commands that need a store and no file of the client's process", () => {
  const yes = ["build .", "--root /r build -t a .", "images --format json", "rmi a", "build -o type=oci,dest=- ."];
  const no = [
    "",
    "--help",
    "serve --docker unix:///s",
    "pull a",
    "save -o f a",
    "--config c build .",
    "--config=c build .",
    "--snapshotter copy images",
    "build --no-server .",
    "build --max-parallelism 2 .",
    "build -f /dev/stdin .",
    "build --secret id=a,src=/dev/fd/3 .",
    "build --build-context a=/proc/self/cwd .",
  ];
  const forwardable = (line: string, env: NodeJS.ProcessEnv = {}): boolean =>
    isForwardable(splitArgv(line.split(" ").filter((arg) => arg !== "")), env);
  for (const line of yes) assert.equal(forwardable(line), true, line);
  for (const line of no) assert.equal(forwardable(line), false, line);
  assert.equal(forwardable("images", { VARVE_SNAPSHOTTER: "copy" }), false);
  assert.equal(forwardable("images", { VARVE_NO_SERVER: "1" }), false);
  assert.equal(forwardable("images", { VARVE_NO_SERVER: "" }), true);
});

test("a request is read strictly: what is not of its type is an error", () => {
  const command = { argv: ["images"], cwd: "/", env: { A: "b" }, isOutputTerminal: true, columns: 80 };
  const read = readRequest(Buffer.from(JSON.stringify({ identity: "i", command })));
  assert.deepEqual(read, {
    identity: "i",
    command: { ...command, isErrorTerminal: false, rows: 0 },
  });
  for (const bad of ["", "[]", "{}", '{"command":[]}', '{"command":{"argv":"x"}}', '{"command":{"env":{"A":1}}}'])
    assert.throws(() => readRequest(Buffer.from(bad)), /a forwarded command/, bad);
});
