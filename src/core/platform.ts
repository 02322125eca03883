import { readPlatformSpecifier } from "./platform-specifier.ts";

/** A platform. In the form that `normalizePlatform` returns, unless stated otherwise. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

/** The JSON form in a descriptor: OCI image specification, image-index.md. */
export interface PlatformJson {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
}

const ARCH_ALIASES: ReadonlyMap<string, readonly [arch: string, variant: string]> = new Map([
  ["i386", ["386", ""]],
  ["x86_64", ["amd64", ""]],
  ["x86-64", ["amd64", ""]],
  ["aarch64", ["arm64", ""]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
] as const);

const NODE_ARCH: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  arm: "arm",
  arm64: "arm64",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
  loong64: "loong64",
};

function normalizeArch(architecture: string, variant: string): [string, string] {
  const lower = architecture.toLowerCase();
  const v = variant.toLowerCase();
  const alias = ARCH_ALIASES.get(lower);
  const arch = alias?.[0] ?? lower;
  const known = alias?.[1] === undefined || alias[1] === "" ? v : alias[1];
  if (arch === "amd64") return [arch, known === "v1" ? "" : known];
  if (arch === "arm64") return [arch, normalizeArm64Variant(known)];
  if (arch === "arm") return [arch, normalizeArmVariant(known)];
  return [arch, lower === "i386" ? "" : known];
}

function normalizeArm64Variant(variant: string): string {
  if (variant === "8" || variant === "v8" || variant === "v8.0") return "";
  return variant === "9" || variant === "9.0" || variant === "v9.0" ? "v9" : variant;
}

function normalizeArmVariant(variant: string): string {
  if (variant === "" || variant === "7") return "v7";
  return variant === "5" || variant === "6" || variant === "8" ? `v${variant}` : variant;
}

/** Lower case, architecture aliases and default variants resolved, as containerd's `platforms.Normalize`. */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, variant] = normalizeArch(platform.architecture, platform.variant ?? "");
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  return {
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(platform.osVersion === undefined || platform.osVersion === "" ? {} : { osVersion: platform.osVersion }),
    ...(platform.osFeatures === undefined || platform.osFeatures.length === 0
      ? {}
      : { osFeatures: [...new Set(platform.osFeatures)].sort() }),
  };
}

/** The platform of this machine, always with `os: "linux"`: the default target of a build. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: "linux", architecture: NODE_ARCH[process.arch] ?? process.arch });
}

/**
 * Reads a platform specifier (see `readPlatformSpecifier`), or `local` for this machine's platform. A missing architecture is this
 * machine's, a missing operating system is `linux`.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parsePlatform(text: string): Platform {
  return text === "local" ? hostPlatform() : normalizePlatform(parseGivenPlatform(text));
}

/**
 * A platform as containerd's `platforms.Parse` leaves it, which is what image sources of a build graph say: names are
 * normalised, but `linux/arm` and `linux/armhf` have no variant, `linux/arm64/v8` has one, and features are in the order
 * given. Throws `invalid-argument`.
 */
export function parseGivenPlatform(text: string): Platform {
  const { os = "linux", architecture, variant, osFeatures = [], ...rest } = readPlatformSpecifier(text);
  const machine = architecture === undefined ? hostPlatform() : { architecture };
  const given = { ...machine, os, ...rest, ...(variant === undefined ? {} : { variant }) };
  const { variant: normal = "", ...platform } = normalizePlatform(given);
  const shown = givenVariant(platform.architecture, variant, normal);
  return {
    ...platform,
    ...(shown === "" ? {} : { variant: shown }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  };
}

function givenVariant(architecture: string, given: string | undefined, normal: string): string {
  if (architecture === "arm64" && given !== undefined && normal === "") return "v8";
  return architecture === "arm" && given === undefined && normal === "v7" ? "" : normal;
}

/** `os/arch[/variant]`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant]
    .filter((part) => part !== undefined && part !== "")
    .join("/");
}

/** `os[(version+feature…)]/arch[/variant]`: what `readPlatformSpecifier` reads, as containerd's `platforms.FormatAll`. */
export function formatWholePlatform(platform: Platform): string {
  const { osVersion = "", osFeatures = [] } = platform;
  const features = [...new Set(osFeatures)].filter((feature) => feature !== "").sort();
  const options = [escapeOption(osVersion), ...features.map(escapeOption)].join("+");
  return formatPlatform({ ...platform, os: options === "" ? platform.os : `${platform.os}(${options})` });
}

/** Escapes the characters with a meaning in a specifier. */
function escapeOption(text: string): string {
  return text.replace(/[%+()/]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Converts the platform of a descriptor or a config, and normalises it. */
export function platformFromJson(json: PlatformJson): Platform {
  return normalizePlatform({
    os: json.os,
    architecture: json.architecture,
    ...(json.variant === undefined ? {} : { variant: json.variant }),
    ...(json["os.version"] === undefined ? {} : { osVersion: json["os.version"] }),
    ...(json["os.features"] === undefined ? {} : { osFeatures: json["os.features"] }),
  });
}

/** Converts a platform to the form in a descriptor. */
export function platformToJson(platform: Platform): PlatformJson {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.osVersion === undefined ? {} : { "os.version": platform.osVersion }),
    ...(platform.osFeatures === undefined ? {} : { "os.features": platform.osFeatures }),
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  };
}

const ARM_ORDER = ["v8", "v7", "v6", "v5"];

/** What `platform` can run, best first: itself, then older variants and (arm64 → arm, amd64 → older levels). */
function runnable(platform: Platform): Platform[] {
  const { os, architecture, variant } = platform;
  if (architecture === "arm64")
    return [
      platform,
      ...(variant === undefined ? [] : [{ os, architecture }]),
      ...ARM_ORDER.map((v) => ({ os, architecture: "arm", variant: v })),
    ];
  if (architecture === "arm") {
    const from = ARM_ORDER.indexOf(variant ?? "v7");
    return (from < 0 ? [variant ?? "v7"] : ARM_ORDER.slice(from)).map((v) => ({ os, architecture, variant: v }));
  }
  if (architecture === "amd64") {
    const level = Number(/^v(\d)$/.exec(variant ?? "")?.[1] ?? 1);
    const lower = Array.from({ length: Math.max(level - 1, 0) }, (_, i) => level - 1 - i);
    return [
      platform,
      ...lower.map((n) => normalizePlatform({ os, architecture, variant: `v${n}` })),
      { os, architecture: "386" },
    ];
  }
  return [platform];
}

/**
 * Returns the candidate that matches `wanted` best: the exact platform first, then platforms that it can also run, as containerd's
 * `platforms.Only`. Among equals, one with the same OS version wins, then the first. Returns undefined if none matches.
 */
export function choosePlatform<T>(
  wanted: Platform,
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform | undefined,
): T | undefined {
  const normal = normalizePlatform(wanted);
  for (const option of runnable(normal)) {
    const key = formatPlatform(option);
    const found = candidates.filter((candidate) => {
      const platform = platformOf(candidate);
      return platform !== undefined && formatPlatform(normalizePlatform(platform)) === key;
    });
    const exact = found.find((candidate) => platformOf(candidate)?.osVersion === normal.osVersion);
    if (found.length > 0) return exact ?? found[0];
  }
  return undefined;
}
