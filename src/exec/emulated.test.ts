import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "../../scripts/lib/system-packages.ts";
import { hasCode, openBench } from "../../testing/contracts/runner-bench.ts";
import { runnerContract } from "../../testing/contracts/runner.ts";
import { runtimeSetup } from "../../testing/runtimes.ts";
import { temporaryDirectory } from "../io/index.ts";
import { Root, mknod } from "../linux/index.ts";
import { emulationOf } from "./emulated.ts";
import { foreignMounts } from "./place.ts";
import type { Runner } from "./types.ts";

const ARM64 = { os: "linux", architecture: "arm64" };
const FULL = process.env["VARVE_TEST_FULL"] === "1";
const emulator = findProgram("qemu-aarch64-static") === undefined ? "qemu-user-static is not installed" : undefined;

/** Its steps are those of another platform. Programs of this machine run there too. */
function emulated(runner: Runner): Runner {
  return {
    runtime: runner.runtime,
    run: (spec, options) => runner.run({ ...spec, platform: ARM64 }, options),
    start: (spec) => runner.start({ ...spec, platform: ARM64 }),
    [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
  };
}

const [crun, runc] = await Promise.all([runtimeSetup("crun"), runtimeSetup("runc")]);
const setups = [crun, runc].map((setup) => ({
  ...setup,
  unavailable: setup.unavailable ?? emulator,
  isUserNamespace: true,
  create: async (stateDir: string) => emulated(await setup.create(stateDir)),
}));

if (FULL && setups[0] !== undefined) runnerContract("crun, emulated", setups[0]);

for (const setup of setups) {
  test(
    `${setup.runtime}: a step with emulators has their namespace, and no device of its image`,
    { skip: setup.unavailable ?? false },
    async () => {
      await using bench = await openBench(setup);
      const { sh, rootfs } = bench;
      mkdirSync(join(rootfs, "dev"));
      mknod(join(rootfs, "zero"), 0o020666, 1, 5);
      const { stdout, stderr } = await sh(
        "cat /proc/self/uid_map | wc -l; head -c1 /zero | wc -c; chown 4000000:5 /tmp; stat -c %u:%g /tmp; ls /sys/fs /dev/null",
      );
      assert.deepEqual(stdout.split("\n").slice(0, 3), ["2", "0", "4000000:5"]);
      assert.match(stderr, /zero: Permission denied/);
      await using step = await bench.runner.start(bench.spec(["sleep", "60"]));
      let joined = "";
      const onOutput = (_: 1 | 2, chunk: Uint8Array): void => void (joined += Buffer.from(chunk).toString());
      const args = ["sh", "-c", "cat /proc/self/uid_map | wc -l"];
      const other = await step.join({ process: { args, env: ["PATH=/bin"], cwd: "/", user: "" }, onOutput });
      assert.equal((await other.exited).exitCode, 0);
      await other.drained;
      assert.equal(joined, "2\n");
    },
  );
}

test("a program for this machine runs without an emulator, and a foreign one is an error that helps", async () => {
  await using directory = await temporaryDirectory();
  const root = join(directory.path, "root");
  mkdirSync(join(root, "bin"), { recursive: true });
  copyFileSync(process.execPath, join(root, "bin/native"));
  // An ELF header for a Loongson processor, which is not tried before an emulator is needed.
  const header = Buffer.from("7f454c4602010100000000000000000002000201", "hex");
  writeFileSync(join(root, "bin/foreign"), Buffer.concat([header, Buffer.alloc(100)]), { mode: 0o755 });
  writeFileSync(join(root, "bin/script"), "#! /bin/foreign -x\n", { mode: 0o755 });
  writeFileSync(join(root, "bin/text"), "echo\n", { mode: 0o755 });
  for (const name of ["native", "text"]) chmodSync(join(root, "bin", name), 0o755);
  using tree = Root.open(root);
  const { Emulation } = await import("../emulation/index.ts");
  using without = new Emulation({ emulators: () => [] });
  const platform = { os: "linux", architecture: "loong64" };
  const kindOf = async (...args: string[]): Promise<string> => {
    const process = { args, env: ["PATH=/sbin:/bin"], cwd: "/", user: "" };
    return (await emulationOf({ rootfs: root, process, platform }, tree, without)).kind;
  };
  assert.equal(await kindOf("native"), "none");
  assert.equal(await kindOf("/bin/text"), "unknown");
  assert.equal(await kindOf("nothing"), "unknown");
  for (const args of [["foreign", "a b"], ["/bin/script"]])
    await assert.rejects(kindOf(...args), (error) => {
      assert.ok(hasCode("unsupported")(error));
      assert.match(String(error), /Cannot run "[^"]+" for linux\/loong64: there is no emulator for linux\/loong64/);
      assert.match(String((error as { hint?: unknown }).hint), /^To fix: (sudo|docker) .*BUILDPLATFORM/);
      return true;
    });
});

test("what the machine has mounted below /sys is covered, but for the groups that a step gets", () => {
  const line = (point: string): string => `1 2 0:1 / ${point} rw - x x rw`;
  const mounts = ["/sys", "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/kernel", "/sys/kernel/debug", "/proc"].map(
    line,
  );
  assert.deepEqual(foreignMounts({ kind: "v1" }, mounts.join("\n")), ["/sys/kernel"]);
  assert.deepEqual(foreignMounts({ kind: "none" }, mounts.join("\n")), ["/sys/fs/cgroup", "/sys/kernel"]);
});
