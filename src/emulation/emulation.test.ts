import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findProgram } from "../../scripts/lib/system-packages.ts";
import { formatPlatform, hostPlatform, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { isRootUser } from "../linux/index.ts";
import { amd64Level } from "./amd64-levels.ts";
import { ARCHITECTURES, architectureNamed } from "./architectures.ts";
import { architectureOf, probeProgram } from "./elf.ts";
import { Emulation } from "./emulation.ts";
import { registrationFor, registrationLine } from "./registrations.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";
const emulators = findProgram("qemu-aarch64-static") === undefined ? "qemu-user-static is not installed" : undefined;
const skip = isRootUser() ? (emulators ?? false) : "only root can make user namespaces here";

test("the program of each architecture ends with the number of its arguments, by its emulator", { skip }, async () => {
  await using directory = await temporaryDirectory();
  for (const architecture of ARCHITECTURES) {
    const path = join(directory.path, architecture.name);
    writeFileSync(path, probeProgram(architecture));
    chmodSync(path, 0o755);
    const codes = [[], ["a"], ["a", "b"]].map(
      (args) => spawnSync(`qemu-${architecture.qemu}-static`, [path, ...args]).status,
    );
    assert.deepEqual(codes, [0, 1, 2], architecture.name);
  }
});

test("programs are told apart by their first bytes", () => {
  for (const architecture of ARCHITECTURES) {
    const program = probeProgram(architecture);
    assert.equal(architectureOf(program), architecture);
    // Position-independent executables are shared objects, and the interface may be that of any system.
    program[architecture.endian === "little" ? 16 : 17] = 3;
    program[7] = 3;
    assert.equal(architectureOf(program), architecture);
  }
  for (const other of [Buffer.alloc(0), Buffer.from("#!/bin/sh\necho a long script"), Buffer.alloc(20, 0x7f)])
    assert.equal(architectureOf(other), undefined);
});

test("levels of amd64 have all features of the lower ones", () => {
  const v2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
  const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
  const level = (flags: string): number => amd64Level(`processor : 0\nflags\t\t: ${flags}\n`);
  assert.deepEqual(
    [level("fpu"), level(v2), level(v3), level(`${v3} avx512f avx512bw avx512cd avx512dq avx512vl`)],
    [1, 2, 3, 4],
  );
  assert.equal(level(v3.replace("popcnt", "")), 1);
  assert.equal(amd64Level("processor : 0\n"), 1);
});

test("registrations of the kernel are read: enabled ones, by their bytes", async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string): string => join(directory.path, name);
  const arm64 = architectureNamed("arm64");
  assert.ok(arm64 !== undefined);
  const entry = (state: string, flags: string): string =>
    `${state}\ninterpreter /usr/bin/q\nflags: ${flags}\noffset 0\nmagic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n`;
  writeFileSync(at("status"), "enabled\n");
  writeFileSync(at("jar"), "enabled\ninterpreter /usr/bin/j\nflags: \nextension .jar\n");
  writeFileSync(at("qemu-old"), entry("disabled", "F"));
  assert.equal(registrationFor(arm64, directory.path), undefined);
  writeFileSync(at("qemu-aarch64"), entry("enabled", "POF"));
  assert.deepEqual(
    [registrationFor(arm64, directory.path)].map((found) => [found?.interpreter, found?.isOpened, found?.keepsName]),
    [["/usr/bin/q", true, true]],
  );
  const others = ARCHITECTURES.filter(({ name }) => name !== "arm64");
  assert.ok(others.every((architecture) => registrationFor(architecture, directory.path) === undefined));
  assert.match(
    registrationLine(arm64, "/a b/q:u", true),
    /^\tvarve-aarch64\tM\t0\t(?:\\x[0-9a-f]{2}){20}\t(?:\\x[0-9a-f]{2}){20}\t\/a b\/q:u\tPOCF$/,
  );
});

test("the platforms of a machine are listed as BuildKit lists them", { skip }, async () => {
  using all = new Emulation();
  const own = hostPlatform();
  const listed = (await all.platforms()).map(formatPlatform);
  assert.equal(listed[0], formatPlatform(own));
  assert.equal(new Set(listed).size, listed.length);
  const wanted = ["linux/arm64", "linux/riscv64", "linux/s390x", "linux/arm/v7", "linux/arm/v6"];
  assert.deepEqual(
    listed.filter((name) => wanted.includes(name)),
    wanted.filter((name) => listed.includes(name)),
  );
  for (const name of wanted) assert.ok(listed.includes(name), `${name} is not in ${listed.join()}`);
  using none = new Emulation({ emulators: () => [] });
  const fewer = (await none.platforms()).map(formatPlatform);
  assert.ok(!fewer.includes("linux/s390x"));
  if (own.architecture === "amd64") {
    assert.deepEqual(fewer.filter((name) => name.startsWith("linux/amd64")).length, amd64Level());
    await assert.rejects(all.supportOf({ ...own, variant: "v9" }), (error) => {
      assert.ok(isVarveError(error, "unsupported"));
      assert.match(
        error.message,
        /^no support for running processes with linux\/amd64\/v9 platform, supported: linux\/amd64/,
      );
      return true;
    });
  }
});

test("emulators that are not static, and none at all, are told", { skip }, async () => {
  const arm64 = { os: "linux", architecture: "arm64" };
  using dynamic = new Emulation({ emulators: ([name]) => (name?.startsWith("buildkit-") === true ? [] : ["/bin/ls"]) });
  const support = await dynamic.supportOf(arm64);
  assert.equal(support.kind, "missing");
  assert.match(JSON.stringify(support), /no emulator for linux\/arm64 \(\/bin\/ls cannot run programs in other root/);
  using none = new Emulation({ emulators: () => [] });
  assert.match(
    JSON.stringify(await none.supportOf(arm64)),
    /"kind":"missing","why":"there is no emulator for linux\/arm64","fix":"[^"]+"/,
  );
  using wrapped = new Emulation({ emulators: ([name]) => (name === "buildkit-qemu-aarch64" ? ["/bin/q"] : []) });
  assert.deepEqual(await wrapped.supportOf(arm64), { kind: "wrapper", path: "/bin/q" });
});

test("what the machine has registered is used: with the flag F, or if a root has the emulator", { skip }, async (t) => {
  await using directory = await temporaryDirectory();
  mkdirSync(join(directory.path, "m"));
  const arm64 = architectureNamed("arm64");
  assert.ok(arm64 !== undefined);
  const program = `import { Emulation } from ${JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)))};
using machine = new Emulation({ emulators: () => [] });
console.log(JSON.stringify(await machine.supportOf({ os: "linux", architecture: "arm64" })));`;
  /** Runs the program where binfmt_misc has this line only: in a user namespace, so that the machine's stays as it is. */
  const supportWith = (line: string): string => {
    const script =
      'mount -t binfmt_misc b /proc/sys/fs/binfmt_misc && printf %s "$1" > /proc/sys/fs/binfmt_misc/register && shift && exec "$@"';
    const inside = ["sh", "-c", script, "varve", line, process.execPath, "--input-type=module", "-e", program];
    return execFileSync("unshare", ["--user", "--map-root-user", "--mount", ...inside], { encoding: "utf8" });
  };
  const line = registrationLine(arm64, QEMU, true);
  let found: string;
  try {
    found = supportWith(line);
  } catch (error) {
    return t.skip(`binfmt_misc cannot be mounted in a user namespace: ${String(error).slice(0, 200)}`);
  }
  assert.equal(found, '{"kind":"direct"}\n');
  assert.match(supportWith(line.replace("POCF", "P")), /"kind":"namespace"/);
  assert.match(
    supportWith(line.replace(QEMU, "/nowhere/q").replace("POCF", "")),
    /"kind":"inside","interpreter":"\/nowhere\/q"/,
  );
});
