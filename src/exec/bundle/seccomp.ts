import { existsSync } from "node:fs";
import { release } from "node:os";
import { SECCOMP_RULES, type SeccompRule } from "./seccomp-table.ts";

const OPERATOR = {
  "=": "SCMP_CMP_EQ",
  "<": "SCMP_CMP_LT",
  ">": "SCMP_CMP_GT",
  "none-of": "SCMP_CMP_MASKED_EQ",
} as const;

/**
 * By Node's name of an architecture: Go's name, which the table uses, and libseccomp's names of the architecture and of its
 * 32-bit modes.
 */
const ARCHITECTURES: ReadonlyMap<string, { readonly go: string; readonly seccomp: readonly string[] }> = new Map([
  ["x64", { go: "amd64", seccomp: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] }],
  ["ia32", { go: "386", seccomp: ["SCMP_ARCH_X86"] }],
  ["arm64", { go: "arm64", seccomp: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] }],
  ["arm", { go: "arm", seccomp: ["SCMP_ARCH_ARM"] }],
  ["ppc64", { go: "ppc64le", seccomp: ["SCMP_ARCH_PPC64LE"] }],
  ["s390x", { go: "s390x", seccomp: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"] }],
  ["riscv64", { go: "riscv64", seccomp: ["SCMP_ARCH_RISCV64"] }],
  ["loong64", { go: "loong64", seccomp: ["SCMP_ARCH_LOONGARCH64"] }],
]);

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number | undefined;
  readonly op: string;
}

interface SeccompCall {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  readonly errnoRet?: number | undefined;
  readonly args?: readonly SeccompArgument[] | undefined;
}

/** `linux.seccomp` of a runtime configuration: OCI runtime specification, config-linux.md. */
export interface SeccompProfile {
  readonly defaultAction: "SCMP_ACT_ERRNO";
  readonly defaultErrnoRet: number;
  readonly architectures?: readonly string[] | undefined;
  readonly syscalls: readonly SeccompCall[];
}

export interface SeccompSubject {
  readonly capabilities: ReadonlySet<string>;
  /** An architecture as in `process.arch`, which is the default. */
  readonly arch?: string | undefined;
  /** A kernel version as printed by `uname -r`. Defaults to this machine's. */
  readonly kernel?: string | undefined;
}

/** Returns Docker's default filter for a process that has these capabilities. */
export function defaultSeccomp({
  capabilities,
  arch = process.arch,
  kernel = release(),
}: SeccompSubject): SeccompProfile {
  const machine = ARCHITECTURES.get(arch);
  const go = machine?.go ?? arch;
  const version = kernelVersion(kernel);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    ...(machine === undefined ? {} : { architectures: machine.seccomp }),
    syscalls: SECCOMP_RULES.filter((rule) => applies(rule, capabilities, go, version)).map(callOf),
  };
}

function applies(
  rule: SeccompRule,
  capabilities: ReadonlySet<string>,
  arch: string,
  kernel: readonly [number, number],
): boolean {
  if (rule.arches?.includes(arch) === false || rule.notArches?.includes(arch) === true) return false;
  if (rule.capability !== undefined && !capabilities.has(rule.capability)) return false;
  if (rule.withoutCapability !== undefined && capabilities.has(rule.withoutCapability)) return false;
  if (rule.minKernel === undefined) return true;
  const [major, minor] = rule.minKernel;
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}

function kernelVersion(text: string): [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

function callOf(rule: SeccompRule): SeccompCall {
  return {
    names: rule.names.trim().split(/\s+/),
    action: rule.errno === undefined ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO",
    ...(rule.errno === undefined ? {} : { errnoRet: rule.errno }),
    ...(rule.when === undefined ? {} : { args: [argumentOf(rule.when)] }),
  };
}

function argumentOf([index, test, value]: NonNullable<SeccompRule["when"]>): SeccompArgument {
  return { index, value, op: OPERATOR[test], ...(test === "none-of" ? { valueTwo: 0 } : {}) };
}

/** True if the kernel can filter system calls. */
export function hasSeccomp(): boolean {
  return existsSync("/proc/sys/kernel/seccomp/actions_avail");
}
