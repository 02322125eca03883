import assert from "node:assert/strict";
import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Limits, type ErrorCode, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { Secrets } from "./secrets.ts";

const fails = async (work: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> =>
  await assert.rejects(work, (error) => isVarveError(error, code) && message.test(error.message));

test("secrets come from files, the environment and values, when they are needed", async () => {
  await using folder = await temporaryDirectory();
  const [file, large] = [join(folder.path, "s"), join(folder.path, "large")];
  process.env["VARVE_TEST_SECRET"] = "from env";
  const secrets = new Secrets(
    [
      { id: "file", source: { file } },
      { id: "env", source: { env: "VARVE_TEST_SECRET" } },
      { id: "value", source: { value: Buffer.from("given") } },
      { id: "unset", source: { env: "VARVE_TEST_UNSET" } },
      { id: "large", source: { file: large } },
    ],
    [],
  );
  const get = async (id: string): Promise<string | undefined> => {
    const value = await secrets.get(id, true);
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
  await fails(get("file"), "invalid-argument", /read secret file/);
  writeFileSync(file, "from file");
  assert.deepEqual(
    [await get("file"), await get("env"), await get("value"), await get("none")],
    ["from file", "from env", "given", undefined],
  );
  await fails(secrets.get("none", false), "invalid-build", /secret none: not found/);
  await fails(get("unset"), "invalid-argument", /no VARVE_TEST_UNSET/);
  writeFileSync(large, Buffer.alloc(Limits.secret + 1));
  await fails(get("large"), "limit-exceeded");
  delete process.env["VARVE_TEST_SECRET"];
});

test("an agent is a socket, and has a name", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "agent");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const secrets = new Secrets(
    [],
    [
      { id: "default", paths: [path] },
      { id: "key", paths: [import.meta.filename] },
    ],
  );
  assert.equal(await secrets.agent("", false), path);
  assert.equal(await secrets.agent("other", true), undefined);
  await fails(secrets.agent("other", false), "invalid-build", /no SSH key "other"/);
  await fails(secrets.agent("key", true), "unsupported", /not an agent's socket/);
  await new Promise((resolve) => server.close(resolve));
});
