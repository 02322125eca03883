import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeExecutable } from "../scripts/lib/executable.ts";
import { stagePackage } from "../scripts/lib/package.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import { isRootUser } from "../src/linux/index.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

test("the single executable needs no other file, not even Node", async (t) => {
  const { arch } = process;
  if (arch !== "x64" && arch !== "arm64") return t.skip(`no executable for ${arch}`);
  await using directory = await temporaryDirectory("varve-executable-");
  const at = (name: string): string => join(directory.path, name);
  await stagePackage(at("staged"), { isBundled: false });
  await makeExecutable({
    modules: at("staged/dist"),
    node: process.execPath,
    koffi: `node_modules/@koromix/koffi-linux-${arch}`,
    arch,
    work: at("work"),
    output: at("varve"),
  });
  const run = (...args: readonly string[]): string => runWith({}, ...args);
  const runWith = (more: NodeJS.ProcessEnv, ...args: readonly string[]): string => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", VARVE_ROOT: at("root"), ...more };
    const { stdout, stderr, status } = spawnSync(at("varve"), args, { encoding: "utf8", cwd: directory.path, env });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  assert.ok(run("version").startsWith(`varve ${version} (node ${process.versions.node}, linux/`));
  if (!isRootUser()) return t.skip("only root can build");
  mkdirSync(at("context"));
  // Large enough for a thread, which needs its own program and native module.
  writeFileSync(at("context/data"), Buffer.alloc(8_000_000, 1));
  writeFileSync(at("context/Dockerfile"), "FROM scratch\nCOPY data /\n");
  const id = run("build", "-q", "-t", "app:1", "context").trim();
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.ok(run("images", "-q").includes(id));
  // A step without namespaces is run by two more processes of the executable.
  mkdirSync(at("step"));
  copyFileSync("/bin/busybox", at("step/busybox"));
  writeFileSync(
    at("step/Dockerfile"),
    'FROM scratch\nCOPY --chmod=755 busybox /sh\nRUN ["/sh", "-c", "echo ran > /f"]\n',
  );
  const isolated = { VARVE_ISOLATION: "chroot", VARVE_ROOT: at("chroot-root") };
  assert.match(runWith(isolated, "build", "-q", "-t", "step:1", "step"), /^sha256:/);
});
