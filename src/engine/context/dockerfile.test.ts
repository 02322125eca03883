import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Limits, isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import {
  type DockerfileHost,
  type FindOptions,
  type LoadedDockerfile,
  findDockerfile,
  parseFound,
} from "./dockerfile.ts";
import { Progress } from "../progress/progress.ts";

const notCalled = (): never => assert.fail("the client was asked");
const HOST: DockerfileHost = {
  progress: new Progress(undefined),
  locals: { open: notCalled },
  openEdge: notCalled,
};
const FROM = "FROM scratch\n";

async function loadDockerfile(
  context: Parameters<typeof findDockerfile>[0],
  source: Parameters<typeof findDockerfile>[1],
  options: Omit<FindOptions, "stack"> = {},
): Promise<LoadedDockerfile> {
  await using stack = new AsyncDisposableStack();
  return await parseFound(await findDockerfile(context, source, HOST, { ...options, stack }));
}

test("a Dockerfile and its ignore file are found in the same places as by Docker", async () => {
  await using folder = await temporaryDirectory();
  const write = (name: string, text: string): void => {
    mkdirSync(join(folder.path, name, ".."), { recursive: true });
    writeFileSync(join(folder.path, name), text);
  };
  const context = join(folder.path, "context");
  write("context/Dockerfile", FROM);
  write("context/.dockerignore", "common\n");
  write("context/sub/Own", FROM);
  write("context/sub/Own.dockerignore", "own\n");
  write("outside/Other", FROM);
  const exclude = async (source?: Parameters<typeof loadDockerfile>[1]): Promise<readonly string[]> =>
    (await loadDockerfile(context, source)).exclude;
  assert.deepEqual(await exclude(), ["common"]);
  assert.deepEqual(await exclude({ kind: "context", path: "sub/Own" }), ["own"]);
  assert.deepEqual(await exclude({ kind: "file", path: join(context, "sub/Own") }), ["own"]);
  assert.deepEqual(await exclude({ kind: "file", path: join(folder.path, "outside/Other") }), ["common"]);
  write("outside/Other.dockerignore", "other\n");
  assert.deepEqual(await exclude({ kind: "file", path: join(folder.path, "outside/Other") }), ["other"]);
  assert.deepEqual(await exclude({ kind: "text", text: FROM }), ["common"]);
  assert.deepEqual((await loadDockerfile(undefined, { kind: "text", text: FROM })).exclude, []);
});

test("dockerfile is used if Dockerfile is missing, with its own ignore file", async () => {
  await using folder = await temporaryDirectory();
  const put = (name: string, text: string): void => {
    mkdirSync(join(folder.path, name, ".."), { recursive: true });
    writeFileSync(join(folder.path, name), text);
  };
  const load = async (source?: Parameters<typeof loadDockerfile>[1]): Promise<[string, readonly string[]]> => {
    const { file, exclude } = await loadDockerfile(folder.path, source);
    return [file.source.name, exclude];
  };
  put("dockerfile", FROM);
  put("Dockerfile.dockerignore", "other\n");
  put(".dockerignore", "common\n");
  put("sub/dockerfile", FROM);
  assert.deepEqual(await load(), ["dockerfile", ["common"]]);
  put("dockerfile.dockerignore", "own\n");
  assert.deepEqual(await load(), ["dockerfile", ["own"]]);
  assert.deepEqual(await load({ kind: "file", path: join(folder.path, "Dockerfile") }), ["dockerfile", ["own"]]);
  assert.deepEqual(await load({ kind: "context", path: "sub/Dockerfile" }), ["sub/dockerfile", ["common"]]);
  await assert.rejects(load({ kind: "context", path: "DOCKERFILE" }), /open DOCKERFILE: no such file/);
  put("Dockerfile", FROM);
  assert.deepEqual(await load(), ["Dockerfile", ["other"]]);
});

test("a malformed ignore pattern is reported with its line; a remote context's ignore file is not read", async () => {
  await using folder = await temporaryDirectory();
  writeFileSync(join(folder.path, "Dockerfile"), FROM);
  writeFileSync(join(folder.path, ".dockerignore"), "# fine\n\n a[b \n");
  await assert.rejects(loadDockerfile(folder.path, undefined), (error) => {
    assert.ok(isVarveError(error, "invalid-build"));
    assert.equal(error.message, '.dockerignore line 3: Cannot read pattern "a[b": a character class is not closed');
    const { file, line } = error.details.location as { file: string; line: number };
    assert.deepEqual([file, line], [".dockerignore", 3]);
    return true;
  });
  assert.deepEqual((await loadDockerfile(folder.path, undefined, { isRemote: true })).exclude, []);
});

test("a Dockerfile that is missing, outside the context or too large is refused", async () => {
  await using folder = await temporaryDirectory();
  const context = join(folder.path, "context");
  mkdirSync(context);
  writeFileSync(join(folder.path, "Dockerfile"), FROM);
  const refused = async (path: string, code: Parameters<typeof isVarveError>[1]): Promise<void> =>
    await assert.rejects(
      loadDockerfile(context, { kind: "context", path }),
      (error) => isVarveError(error, code),
      path,
    );
  await refused("Dockerfile", "invalid-build");
  await refused("../Dockerfile", "invalid-build");
  symlinkSync("../Dockerfile", join(context, "link"));
  await refused("link", "invalid-build");
  writeFileSync(join(context, "large"), Buffer.alloc(Limits.dockerfile + 1, "#"));
  await refused("large", "limit-exceeded");
  mkdirSync(join(context, "folder"));
  await refused("folder", "invalid-build");
  await assert.rejects(loadDockerfile(undefined, undefined), (error) => isVarveError(error, "invalid-build"));
  await assert.rejects(loadDockerfile(context, { kind: "file", path: join(folder.path, "none") }), /no such file/);
});
