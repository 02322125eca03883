import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { defaultSeccomp, type SeccompProfile, type SeccompSubject } from "./seccomp.ts";

function profile(more: readonly string[] = [], rest: Partial<SeccompSubject> = {}): SeccompProfile {
  return defaultSeccomp({
    capabilities: new Set([...DEFAULT_CAPABILITIES, ...more]),
    arch: "x64",
    kernel: "6.1.0",
    ...rest,
  });
}

function rules(of: SeccompProfile, name: string): unknown[] {
  return of.syscalls.filter((call) => call.names.includes(name)).map(({ names: _names, ...rule }) => rule);
}

const ALLOW = { action: "SCMP_ACT_ALLOW" };

test("what is not named fails with EPERM", () => {
  const { defaultAction, defaultErrnoRet, architectures } = profile();
  assert.deepEqual([defaultAction, defaultErrnoRet], ["SCMP_ACT_ERRNO", 1]);
  assert.deepEqual(architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  for (const name of [
    "mount",
    "bpf",
    "keyctl",
    "add_key",
    "kexec_load",
    "reboot",
    "init_module",
    "userfaultfd",
    "io_uring_setup",
  ])
    assert.deepEqual(rules(profile(), name), [], name);
  for (const name of ["read", "execve", "chroot", "ptrace", "arch_prctl"])
    assert.deepEqual(rules(profile(), name), [ALLOW], name);
});

test("a new namespace takes CAP_SYS_ADMIN, and clone3 says that it does not exist", () => {
  const plain = profile();
  const bits = 0x7e02_0000;
  assert.deepEqual(rules(plain, "clone"), [
    { ...ALLOW, args: [{ index: 0, value: bits, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
  ]);
  assert.deepEqual(rules(plain, "clone3"), [{ action: "SCMP_ACT_ERRNO", errnoRet: 38 }]);
  const admin = profile(["CAP_SYS_ADMIN"]);
  assert.deepEqual(rules(admin, "clone"), [ALLOW]);
  assert.deepEqual(rules(admin, "clone3"), [ALLOW]);
  assert.deepEqual(rules(admin, "mount"), [ALLOW]);
});

test("vsock and kernel crypto sockets cannot be had", () => {
  const args = rules(profile(), "socket").map((rule) => (rule as { args: { value: number; op: string }[] }).args[0]);
  assert.deepEqual(
    args.map((arg) => [arg?.op, arg?.value]),
    [
      ["SCMP_CMP_LT", 38],
      ["SCMP_CMP_EQ", 39],
      ["SCMP_CMP_GT", 40],
    ],
  );
});

test("architecture and kernel decide too", () => {
  assert.deepEqual(rules(profile([], { arch: "arm64" }), "arch_prctl"), []);
  assert.deepEqual(rules(profile([], { arch: "arm64" }), "cacheflush"), [ALLOW]);
  assert.deepEqual(profile([], { arch: "arm64" }).architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
  const [clone] = rules(profile([], { arch: "s390x" }), "clone") as { args: { index: number }[] }[];
  assert.equal(clone?.args[0]?.index, 1);
  assert.deepEqual(rules(profile([], { kernel: "4.7.9" }), "ptrace"), []);
  assert.deepEqual(rules(profile([], { kernel: "4.8" }), "ptrace"), [ALLOW]);
  assert.equal(profile([], { arch: "unheard-of" }).architectures, undefined);
});

test("the always allowed are many, and each named once", () => {
  const names = profile().syscalls[0]?.names ?? [];
  assert.ok(names.length > 350);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((name) => /^[a-z0-9_]+$/.test(name)));
});
