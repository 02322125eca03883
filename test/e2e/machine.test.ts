import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { mountedFilesystem } from "../../testing/filesystems.ts";
import { storeFacts } from "../../testing/store-facts.ts";
import { Varve, buildsUnavailable, busyboxImage, sh } from "../../testing/varve.ts";

const skip = buildsUnavailable("mount", "umount") ?? false;

describe("a disk that is full", { skip }, () => {
  test("is what the failure says, and building goes on once there is room", async () => {
    await using varve = await Varve.open();
    await mkdir(varve.root);
    await sh("mount", "-t", "tmpfs", "-o", "size=24m", "varve-e2e", varve.root);
    await using _mounted = { [Symbol.asyncDispose]: async () => void (await sh("umount", "-l", varve.root)) };
    const base = await busyboxImage(varve);
    const fill = join(varve.root, "filler");

    const big = await varve.files("big", {
      Dockerfile: `FROM ${base}\nCOPY big /big\nRUN cat /big /big > /twice\n`,
      big: new Uint8Array(6 * 1024 * 1024).fill(65),
    });
    await writeFile(fill, new Uint8Array(17 * 1024 * 1024));
    const copying = await varve.tryBuild(["-t", "varve.test/big", big]);
    assert.equal(copying.code, 5, copying.stderr);
    assert.match(copying.stderr, /no space left|ENOSPC/i);
    assert.doesNotMatch(copying.stderr, /bug in varve/);
    const after = await storeFacts(varve.root, { verify: true });
    assert.deepEqual([after.leftovers, after.missing], [[], []]);

    await writeFile(fill, new Uint8Array(10 * 1024 * 1024));
    const running = await varve.tryBuild(["-t", "varve.test/big", big]);
    assert.equal(running.code, 1, running.stderr);
    assert.match(running.stderr, /No space left on device/);
    await writeFile(fill, new Uint8Array(12 * 1024 * 1024));
    const copy = await varve.files("incompressible", {
      Dockerfile: "FROM scratch\nCOPY big /\n",
      big: randomBytes(4 * 1024 * 1024),
    });
    const exporting = await varve.tryBuild(["-t", "varve.test/big", copy]);
    assert.equal(exporting.code, 5, exporting.stderr);
    assert.doesNotMatch(exporting.stderr, /bug in varve/);
    const then = await storeFacts(varve.root, { verify: true });
    assert.deepEqual([then.leftovers, then.missing], [[], []]);

    await rm(fill);
    const small = await varve.files("small", { Dockerfile: `FROM ${base}\nCOPY f /f\nRUN cat /f > /g\n`, f: "f" });
    assert.equal((await varve.make([small])).text("g"), "f");
    assert.equal((await varve.run(["prune"])).code, 0);
  });
});

for (const [type, size] of [
  ["tmpfs", 24],
  ["ext4", 40],
] as const) {
  test(`on a ${type} that is full, what failed is gone at once, and what removes things works`, { skip }, async (t) => {
    const mounted = await mountedFilesystem(t, type, size * 1_048_576);
    if (mounted === undefined) return;
    await using varve = await Varve.open();
    await symlink(mounted, varve.root);
    const base = await busyboxImage(varve);
    const free = async (): Promise<number> => (await statfs(mounted)).bavail;
    const before = await free();

    for (const [code, end] of [
      [1, ""],
      [5, " || true"],
    ] as const) {
      const folder = await varve.context(
        `overflow-${code}`,
        `FROM ${base}\nRUN dd if=/dev/zero of=/big bs=64k${end}\n`,
      );
      const outcome = await varve.tryBuild(["-o", "type=cacheonly", folder]);
      // A step that fills the disk and ends well fails if its layer cannot be recorded.
      assert.ok(outcome.code === code || (code === 5 && outcome.code === 0), outcome.stderr);
      const facts = await storeFacts(varve.root);
      assert.deepEqual([facts.leftovers, facts.missing], [[], []]);
      assert.equal((await varve.run(["prune", "--all"])).code, 0);
    }
    assert.ok((await free()) * 1.1 > before, `${await free()} blocks are free, of ${before}`);

    await assert.rejects(sh("sh", "-c", 'cat /dev/zero > "$0"', join(mounted, "another-program")), /No space left/);
    for (const command of [["images"], ["du"], ["rmi", base], ["prune", "--all"]]) {
      const outcome = await varve.run(command);
      assert.equal(outcome.code, 0, `${command.join(" ")}: ${outcome.stderr}`);
    }
    const { images, records, snapshots, blobs } = await storeFacts(varve.root);
    assert.deepEqual({ images, records, snapshots, blobs }, { images: [], records: [], snapshots: [], blobs: [] });
    await rm(join(mounted, "another-program"));
    await busyboxImage(varve);
  });
}

test(
  "a command is in a mount namespace of its own before it mounts anything",
  { skip: buildsUnavailable("strace") ?? false },
  async () => {
    await using varve = await Varve.open();
    const context = await varve.files("context", { Dockerfile: "FROM scratch\nCOPY f /f\n", f: "f" });
    for (const command of [["images"], ["build", context], ["du"], ["doctor"]]) {
      const trace = join(varve.folder, `trace-${command[0]}`);
      const wrapper = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=unshare,mount,move_mount"];
      assert.equal((await varve.run(command, { wrapper })).code, 0);
      const calls = (await readFile(trace, "utf8")).split("\n").map((line) => line.replace(/^\d+ +/, ""));
      assert.match(calls[0] ?? "", /^unshare\(CLONE_NEWNS\) += 0$/, command.join(" "));
      assert.match(calls[1] ?? "", /^mount\("none", "\/", NULL, MS_REC\|MS_SLAVE, NULL\) = 0$/, command.join(" "));
    }
  },
);

test("with too few open files, commands say so, and doctor says what to do", async () => {
  await using varve = await Varve.open();
  assert.equal((await varve.run(["images"])).code, 0);
  const wrapper = ["sh", "-c", 'ulimit -n "$0" && exec "$@"'];
  for (const [limit, command] of [
    [24, "doctor"],
    [24, "images"],
    [32, "doctor"],
  ] as const) {
    const { code, stdout, stderr } = await varve.run([command], { wrapper: [...wrapper, String(limit)] });
    assert.equal(code, 5, `${command} with ${limit}: ${stdout}${stderr}`);
    assert.match(stdout + stderr, /open files/, command);
    assert.match(stdout + stderr, /ulimit -n 1024/, command);
    assert.doesNotMatch(stdout + stderr, /bug in varve| at async /, command);
  }
});

test(
  "a user who may not do what a build needs is told so",
  { skip: buildsUnavailable("setpriv") ?? false },
  async () => {
    await using varve = await Varve.open();
    const context = await varve.files("context", { Dockerfile: "FROM scratch\nCOPY f /f\n", f: "f" });
    const own = await varve.files("own", {});
    await chmod(varve.folder, 0o755);
    await chown(own, 65_534, 65_534);
    const options = {
      wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      env: { HOME: own, VARVE_ROOT: join(own, "root"), NODE_COMPILE_CACHE: undefined },
    };
    const copying = await varve.run(["build", "--progress=plain", context], options);
    assert.equal(copying.code, 5, copying.stderr);
    assert.match(copying.stderr, /not permitted[^]*Run as root/);
    const images = await varve.run(["images"], options);
    assert.equal(images.code, 0, images.stderr);
  },
);
