import assert from "node:assert/strict";
import { createServer } from "node:net";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ErrorCode, Limits, VarveError, isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { LocalClient } from "./local-client.ts";

const fails = async (work: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> =>
  await assert.rejects(work, (error) => isVarveError(error, code) && message.test(error.message));

const silent = (): void => undefined;

test("secrets are read from files, the environment and values when they are needed", async () => {
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "s");
  writeFileSync(file, "before");
  process.env["VARVE_TEST_SECRET"] = "from env";
  const warnings: string[] = [];
  const secrets = await LocalClient.open(
    {
      secrets: [
        { id: "file", source: { file } },
        { id: "env", source: { env: "VARVE_TEST_SECRET" } },
        { id: "value", source: { value: Buffer.from("given") } },
        { id: "unset", source: { env: "VARVE_TEST_UNSET" } },
        { id: "inherited", source: { env: "constructor" } },
      ],
    },
    (message) => warnings.push(message),
  );
  const get = async (id: string): Promise<string | undefined> => {
    const value = await secrets.secret(id, true);
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
  writeFileSync(file, "from file");
  assert.deepEqual(
    [await get("file"), await get("env"), await get("value"), await get("none")],
    ["from file", "from env", "given", undefined],
  );
  assert.deepEqual(
    [await get("unset"), await get("inherited")],
    ["", ""],
    "a variable that is not set is empty, as in BuildKit",
  );
  assert.deepEqual(warnings, [
    "secret unset is empty: the environment has no variable VARVE_TEST_UNSET",
    "secret inherited is empty: the environment has no variable constructor",
  ]);
  await fails(secrets.secret("none", false), "invalid-build", /secret none: not found/);
  assert.equal((await secrets.secret("unset", false))?.byteLength, 0);
  writeFileSync(file, Buffer.alloc(Limits.secret + 1));
  await fails(get("file"), "limit-exceeded");
  rmSync(file);
  await fails(get("file"), "invalid-argument", /read secret file/);
  delete process.env["VARVE_TEST_SECRET"];
});

test("a secret that was read is redacted from messages until the build ends", async () => {
  const value = "s3cret-of-the-build";
  const shown = (): string => new VarveError("remote", `it said ${value}`).message;
  const source = { value: Buffer.from(`${value}\n`) };
  const secrets = await LocalClient.open({ secrets: [{ id: "s", source }] }, silent);
  for (let reads = 0; reads < 2; reads += 1) await secrets.secret("s", true);
  assert.equal(shown(), "it said ***");
  secrets[Symbol.dispose]();
  assert.equal(shown(), `it said ${value}`);
});

test("secrets are checked before the build starts, even if no step uses them", async () => {
  await using folder = await temporaryDirectory();
  const [large, missing] = [join(folder.path, "large"), join(folder.path, "missing")];
  writeFileSync(large, Buffer.alloc(Limits.secret + 1));
  const secret = (file: string): Promise<LocalClient> =>
    LocalClient.open({ secrets: [{ id: "s", source: { file } }] }, silent);
  await fails(secret(missing), "invalid-argument", /^Cannot use secret s: there is no file .*missing$/);
  await fails(secret(folder.path), "invalid-argument", /is a directory/);
  await fails(secret(large), "limit-exceeded");
  const value = Buffer.alloc(Limits.secret + 1);
  await fails(LocalClient.open({ secrets: [{ id: "s", source: { value } }] }, silent), "limit-exceeded");
  const agent = (...paths: string[]): Promise<LocalClient> => LocalClient.open({ ssh: [{ id: "a", paths }] }, silent);
  await fails(agent(missing), "invalid-argument", /^Cannot forward SSH agent a: there is no file .*missing$/);
  await fails(agent(), "invalid-argument", /exactly one/);
  await fails(agent(missing, missing), "invalid-argument", /exactly one/);
  await fails(agent(import.meta.filename), "unsupported", /not an agent's socket/);
});

test("an agent is a socket, and is found by its name", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "agent");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const ssh = { id: "default", paths: [path] };
  const secrets = await LocalClient.open({ ssh: [ssh] }, silent);
  assert.equal(await secrets.agent("", false), path);
  assert.equal(await secrets.agent("other", true), undefined);
  await assert.rejects(
    secrets.agent("other", false),
    (error) => isVarveError(error, "invalid-build") && error.message.includes('no SSH key "other"'),
  );
  await fails(LocalClient.open({ ssh: [ssh, ssh] }, silent), "invalid-argument", /given twice/);
  await new Promise((resolve) => server.close(resolve));
});
