import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recordsMissing, temporaryRecords } from "../../../../testing/records.ts";
import { withSession } from "../../../../testing/session-daemon.ts";
import { servedDirectories, takenDirectory } from "../../../../testing/session-files.ts";
import { treePaths } from "../../../../testing/trees.ts";
import { StatCache } from "../../../contenthash/index.ts";
import { DirectoryTree, sendTree } from "../../../filesync/index.ts";
import { GrpcCode, isGrpcError } from "../../../grpc/index.ts";
import { temporaryDirectory } from "../../../io/index.ts";
import { ContextMemory, openSyncedContext } from "../../../source/index.ts";
import { openOutput } from "./file-send.ts";
import { openFiles } from "./files.ts";

const skip = recordsMissing() ?? false;

test("a client's directory is received, and only what changes is sent again", { skip }, async () => {
  await using setup = await temporaryRecords();
  await using directory = await temporaryDirectory();
  mkdirSync(join(directory.path, "d"));
  writeFileSync(join(directory.path, "d/large"), Buffer.alloc(5_000_000, "x"));
  for (let index = 0; index < 700; index += 1) writeFileSync(join(directory.path, `f,${index} é`), String(index));
  const deps = { copies: setup.contextCopies, cache: new StatCache(setup.state), memory: new ContextMemory() };
  await withSession([servedDirectories(new Map([["context", directory.path]]))], async (session) => {
    const open = async (name: string, excludePatterns: readonly string[] = []): Promise<string[]> => {
      const connect = (): Promise<ReturnType<typeof openFiles>> =>
        Promise.resolve(openFiles(session, name, { excludePatterns }));
      await using synced = await openSyncedContext({ name, key: { id: "k", isOwn: true }, connect }, deps);
      return [String(synced.received.files), ...treePaths(synced.context.path.toString())];
    };
    assert.deepEqual(await open("context", ["f,*"]), ["1", "d", "d/large"]);
    assert.equal((await open("context"))[0], "700");
    assert.deepEqual(await open("context", ["f,*", "!f,7 é"]), ["0", "d", "d/large", "f,7 \xc3\xa9"]);
    await assert.rejects(open("other"), (error) => isGrpcError(error, GrpcCode.notFound));
    assert.equal((await open("context", ["f,*"]))[0], "0", "the session works after an error");
  });
});

test("a tree is sent to a client", async () => {
  await using directory = await temporaryDirectory();
  const [from, to] = [join(directory.path, "from"), join(directory.path, "to")];
  for (const path of [from, to]) mkdirSync(path);
  mkdirSync(join(from, "d"));
  for (const name of ["d/a", "b"]) writeFileSync(join(from, name), name.repeat(200_000));
  await withSession([takenDirectory(to)], async (session) => {
    for (let round = 0; round < 2; round += 1) {
      using tree = new DirectoryTree(from);
      using stream = openOutput(session, { exporter: 0 });
      assert.equal((await sendTree(stream, tree)).files, round === 0 ? 2 : 0);
    }
  });
  assert.deepEqual(treePaths(to), ["b", "d", "d/a"]);
  assert.equal(readFileSync(join(to, "d/a")).length, 600_000);
});
