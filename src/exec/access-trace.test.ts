import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fillRootfs, rootfsUnavailable } from "../../testing/rootfs.ts";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { hasCapability, mountOverlay, unmount } from "../linux/index.ts";
import { AccessTrace } from "./access-trace.ts";

const skip = rootfsUnavailable() ?? (hasCapability("sys_admin") ? false : "needs root");

const unsupported = (error: unknown): boolean => isVarveError(error, "unsupported");

test("paths are those in the root, whether the root was changed before or after", { skip }, async () => {
  await using directory = await temporaryDirectory();
  const [lower, upper, work, target] = ["lower", "upper", "work", "target"].map((name) => join(directory.path, name));
  for (const path of [lower, upper, work, target]) mkdirSync(String(path));
  fillRootfs(String(lower));
  const root = String(target);
  assert.throws(() => new AccessTrace({ kind: "root", path: root }, 100), unsupported);
  mountOverlay({ lower: [String(lower)], upper, work, target: root });
  try {
    const script = "cat /etc/passwd > /copy; ls /home; mv /copy /moved; rm /moved";
    const run = (): void => {
      spawnSync("cat", [join(root, "etc/group")]);
      spawnSync("chroot", [root, "/bin/sh", "-c", script]);
    };
    using trace = new AccessTrace({ kind: "root", path: root }, 100);
    run();
    const paths = trace.finish();
    for (const path of ["/bin/busybox", "/etc/passwd", "/etc/group", "/moved", "/home"])
      assert.ok(paths.has(path), path);
    assert.ok(!paths.has("/etc"));
    using limited = new AccessTrace({ kind: "root", path: root }, 2);
    run();
    assert.throws(() => limited.finish(), unsupported);
  } finally {
    await unmount(root);
  }
});

test(
  "paths of a mount are those in it, wherever it is mounted, and also when it is not any more",
  { skip },
  async () => {
    await using directory = await temporaryDirectory();
    const [lower, upper, work, target, elsewhere] = ["lower", "upper", "work", "target", "elsewhere"].map((name) =>
      join(directory.path, name),
    ) as [string, string, string, string, string];
    for (const path of [lower, upper, work, target, join(elsewhere, "in"), join(lower, "part/deep")])
      mkdirSync(path, { recursive: true });
    for (const name of ["outside", "part/file", "part/deep/file", "part/once", "part/twice", "part/gone"])
      writeFileSync(join(lower, name), name);
    linkSync(join(lower, "part/twice"), join(lower, "part/deep/twice"));
    // In the mount, `in` is another name of its root.
    symlinkSync(".", join(lower, "part/in"));
    mountOverlay({ lower: [lower], upper, work, target });
    try {
      const path = join(target, "part");
      const tree = { kind: "mount", path } as const;
      const mounted = `mount --bind ${path} ${elsewhere}/in; cd ${elsewhere}; cat`;
      {
        using attached = new AccessTrace(tree, 100);
        const step = spawn("unshare", ["--mount", "sh", "-c", `${mounted} in/file in/deep/file; echo; read end`]);
        let output = "";
        for await (const data of step.stdout) if ((output += String(data)).endsWith("\n")) break;
        // Links lead to the files by another name too. That does no harm.
        assert.deepEqual(attached.finish(), new Set(["/file", "/in/file", "/deep/file", "/in/deep/file"]));
        step.stdin.end("\n");
        await once(step, "exit");
      }
      {
        using detached = new AccessTrace(tree, 100);
        const script = `${mounted} in/twice in/gone; ls in/deep; rm in/gone; mv ../elsewhere ../moved; cat in/once`;
        spawnSync("unshare", ["--mount", "sh", "-c", script]);
        assert.deepEqual(detached.finish(), new Set(["/twice", "/deep", "/once"]));
      }
      using outside = new AccessTrace(tree, 100);
      spawnSync("cat", [join(target, "outside")]);
      assert.throws(() => outside.finish(), unsupported);
    } finally {
      await unmount(target);
    }
  },
);
