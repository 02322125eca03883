import assert from "node:assert/strict";
import { chmod, chown, lstat, lutimes, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type BuildOutcome, sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();
const NOWHERE = ["-o", "type=cacheonly"];
const NORMAL = "--normalize-context";

function ran({ steps }: BuildOutcome): string[] {
  return steps.filter(({ name, status }) => status === "run" && !name.includes("] FROM ")).map(({ name }) => name);
}

/** Gives a tree the modes and owners that a checkout has with a umask, and always the same times. */
async function checkOut(path: string, umask: number, uid: number): Promise<void> {
  const stat = await lstat(path);
  await chown(path, uid, uid).catch(() => undefined);
  if (!stat.isSymbolicLink())
    await chmod(path, (stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o777 : 0o666) & ~umask);
  if (stat.isDirectory()) for (const name of await readdir(path)) await checkOut(join(path, name), umask, uid);
  await lutimes(path, 1_700_000_000, 1_700_000_000);
}

const MACHINES = [
  { umask: 0o022, uid: 0 },
  { umask: 0o002, uid: 1000 },
  { umask: 0o077, uid: 1000 },
  { umask: 0o077, uid: 0 },
] as const;

/** The same context as machines with other umasks and users have it. */
async function contexts(name: string, dockerfile: string): Promise<string[]> {
  const folders: string[] = [];
  for (const [index, { umask, uid }] of MACHINES.entries()) {
    const folder = await varve.context(`${name}-${index}`, dockerfile, {
      "lib/data": "d",
      "lib/deep/x": "x",
      run: "r",
    });
    await chmod(join(folder, "run"), 0o755);
    await sh("ln", "-s", "lib/data", join(folder, "link"));
    await checkOut(folder, umask, uid);
    folders.push(folder);
  }
  return folders;
}

describe("contexts with the modes of git", { skip }, () => {
  const BLOB = "FROM scratch\nCOPY . /\n";
  const FILES = `FROM ${base}\nCOPY . /\nRUN true\n`;
  const MOUNT = `FROM ${base}\nRUN --mount=type=bind,target=/c stat -c '%a %u %n' /c /c/* /c/lib/* > /modes\n`;

  test("every umask and user gives the same keys", async () => {
    for (const [name, dockerfile] of Object.entries({ blob: BLOB, files: FILES, mount: MOUNT })) {
      const [first = "", ...others] = await contexts(`keys-${name}`, dockerfile);
      assert.notDeepEqual(ran(await varve.build([...NOWHERE, NORMAL, first])), [], name);
      for (const other of others) assert.deepEqual(ran(await varve.build([...NOWHERE, NORMAL, other])), [], name);
    }
  });

  test("and the same layers, whether they are written from the context or from a copy", async () => {
    for (const [name, dockerfile] of Object.entries({ blob: BLOB, files: FILES })) {
      const digests: (string | undefined)[] = [];
      for (const folder of await contexts(`layers-${name}`, dockerfile)) {
        const { files, config } = await varve.make([NORMAL, "--no-cache", folder]);
        assert.deepEqual(
          ["lib", "lib/data", "run"].map((path) => [files.get(path)?.mode, files.get(path)?.owner]),
          [
            [0o755, "0:0"],
            [0o644, "0:0"],
            [0o755, "0:0"],
          ],
        );
        digests.push(config.rootfs.diff_ids[name === "blob" ? 0 : config.rootfs.diff_ids.length - 2]);
      }
      assert.equal(new Set(digests).size, 1, `${name}: ${digests.join(", ")}`);
    }
  });

  test("and the same files in a bind mount", async () => {
    const [, folder = ""] = await contexts("mounted", MOUNT);
    const made = await varve.make([NORMAL, folder]);
    assert.deepEqual(made.text("modes").trim().split("\n"), [
      "755 0 /c",
      "644 0 /c/Dockerfile",
      "755 0 /c/lib",
      "777 0 /c/link",
      "755 0 /c/run",
      "644 0 /c/lib/data",
      "755 0 /c/lib/deep",
    ]);
  });

  test("the executable bit counts; set-id and sticky bits do not; without the flag all modes do", async () => {
    const [folder = ""] = await contexts("bits", BLOB);
    const changed = async (path: string, mode: number, ...args: string[]): Promise<boolean> => {
      await chmod(join(folder, path), mode);
      return ran(await varve.build([...NOWHERE, ...args, folder])).length > 0;
    };
    await changed("run", 0o755, NORMAL);
    assert.equal(await changed("run", 0o4711, NORMAL), false);
    assert.equal(await changed("lib", 0o1777, NORMAL), false);
    assert.equal(await changed("lib/data", 0o700, NORMAL), true);
    assert.equal(await changed("lib/data", 0o600, NORMAL), false);
    assert.equal(await changed("lib/data", 0o600), true, "the digests of both rules are kept apart");
    assert.equal(await changed("lib/data", 0o600, NORMAL), false);
    assert.equal(await changed("lib/data", 0o640), true);
    assert.equal((await varve.make([folder])).files.get("lib/data")?.mode, 0o640);
  });

  test("varve.json sets it, for all contexts or for work trees of git", async () => {
    const [first = "", second = ""] = await contexts("configured", `${BLOB}LABEL a=b\n`);
    const config = join(varve.root, "varve.json");
    after(() => rm(config, { force: true }));
    const once = async (value: unknown, folder: string, ...args: string[]): Promise<number> => {
      await writeFile(config, JSON.stringify({ normalizeContext: value }));
      return ran(await varve.build([...NOWHERE, ...args, folder])).length;
    };
    await varve.context("configured-0", `${BLOB}COPY run /again\n`);
    await varve.context("configured-1", `${BLOB}COPY run /again\n`);
    for (const folder of [first, second]) await checkOut(folder, folder === first ? 0o022 : 0o077, 0);
    assert.ok((await once(true, first)) > 0);
    assert.equal(await once(true, second), 0);
    assert.ok((await once("git", second)) > 0, "no work tree");
    await mkdir(join(second, ".git"));
    await writeFile(join(second, ".dockerignore"), ".git\n.dockerignore\n");
    assert.equal(await once("git", second), 0);
    assert.equal(await once("git", second, `${NORMAL}=false`), 0, "built before");
    await assert.rejects(once("always", second), /normalizeContext/);
  });
});
