import { VarveError, isVarveError, messageOf } from "./error.ts";

/** The parts of a platform specifier as they are written; a missing part is absent. */
export interface PlatformSpecifier {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

const OS = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;
const PART = /^[A-Za-z0-9_.-]+$/;

/** Go's `syslist.go`, as containerd has it. */
const KNOWN_OS = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux macos nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const KNOWN_ARCH = new Set(
  "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm i386 x86_64 x86-64 aarch64 armhf armel".split(
    " ",
  ),
);

/**
 * Reads `os`, `arch`, `os/arch` or `os/arch/variant`, where `os` may be `os(version+feature…)`, as containerd's
 * `platforms.Parse`. A single part must be a known operating system or architecture.
 *
 * @throws {VarveError} `invalid-argument`, with containerd's own message in `details.reason`.
 */
export function readPlatformSpecifier(text: string): PlatformSpecifier {
  if (text.includes("*")) throw invalidPlatform(text, "wildcards not yet supported");
  const [first = "", ...rest] = text.split("/");
  const [, name, version = "", features = ""] = OS.exec(first) ?? [];
  if (name === undefined) throw invalidPart(text, first, "OS component", "OSAndVersion", OS);
  const parts = rest.length > 2 ? [...rest.slice(0, 2), rest.slice(2).join("/")] : rest;
  for (const part of parts) if (!PART.test(part)) throw invalidPart(text, part, "component", "platform", PART);
  if (parts.length > 2) throw invalidPlatform(text, "cannot parse platform specifier");
  const os = {
    os: name,
    ...(version !== "" && {
      osVersion: unescaped(version, text, `has an invalid OS version ${JSON.stringify(version)}`),
    }),
    ...(features !== "" && {
      osFeatures: features
        .slice(1)
        .split("+")
        .map((feature) =>
          unescaped(feature, text, `has invalid OS features: invalid os feature ${JSON.stringify(feature)}`),
        ),
    }),
  };
  const [architecture, variant] = parts;
  if (architecture !== undefined) return { ...os, architecture, ...(variant !== undefined && { variant }) };
  if (KNOWN_OS.has(name.toLowerCase())) return os;
  if (KNOWN_ARCH.has(first.toLowerCase())) return { architecture: first };
  throw invalidPlatform(text, "unknown operating system or architecture");
}

/** What is wrong with a platform, in containerd's words where `readPlatformSpecifier` threw it. */
export function platformFault(error: unknown): string {
  if (isVarveError(error) && typeof error.details.reason === "string") return error.details.reason;
  return messageOf(error);
}

function unescaped(option: string, text: string, otherwise: string): string {
  try {
    return decodeURIComponent(option);
  } catch {
    const [bad = option] = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(option) ?? [];
    const reason = `${JSON.stringify(text)} ${otherwise}: invalid URL escape ${JSON.stringify(bad)}`;
    throw fault(text, `${JSON.stringify(option)} is not URL-encoded`, reason);
  }
}

function invalidPlatform(text: string, why: string): VarveError {
  return fault(text, why, `${JSON.stringify(text)}: ${why}: invalid argument`);
}

function invalidPart(text: string, part: string, what: string, specifier: string, pattern: RegExp): VarveError {
  const must = `${specifier} specifier component must match ${JSON.stringify(pattern.source.replaceAll("\\/", "/"))}`;
  const where = `${JSON.stringify(part)} is an invalid ${what} of ${JSON.stringify(text)}`;
  return fault(text, `${JSON.stringify(part)} is not a valid ${what}`, `${where}: ${must}: invalid argument`);
}

function fault(text: string, why: string, reason: string): VarveError {
  return new VarveError("invalid-argument", `Cannot read platform ${JSON.stringify(text)}: ${why}`, {
    details: { reason },
    hint: "A platform reads os/arch[/variant], such as linux/arm64.",
  });
}
