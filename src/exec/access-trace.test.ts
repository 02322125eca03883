import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
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
  assert.throws(() => new AccessTrace(root, 100), unsupported);
  mountOverlay({ lower: [String(lower)], upper, work, target: root });
  try {
    const script = "cat /etc/passwd > /copy; ls /home; mv /copy /moved; rm /moved";
    const run = (): void => {
      spawnSync("cat", [join(root, "etc/group")]);
      spawnSync("chroot", [root, "/bin/sh", "-c", script]);
    };
    using trace = new AccessTrace(root, 100);
    run();
    const paths = trace.finish();
    for (const path of ["/bin/busybox", "/etc/passwd", "/etc/group", "/moved", "/home"])
      assert.ok(paths.has(path), path);
    assert.ok(!paths.has("/etc"));
    using limited = new AccessTrace(root, 2);
    run();
    assert.throws(() => limited.finish(), unsupported);
  } finally {
    await unmount(root);
  }
});
