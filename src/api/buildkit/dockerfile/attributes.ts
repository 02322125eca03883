import { isIP } from "node:net";
import { type Platform, VarveError, normalizePlatform, parsePlatform } from "../../../core/index.ts";
import { csvFields } from "../../../dockerfile/index.ts";
import type { CompileSettings } from "../../../engine/index.ts";

/** The attributes of a request to a front end: the build's options by name. */
export type Attributes = ReadonlyMap<string, string>;

type Settings = Omit<CompileSettings, "context" | "dockerfile" | "namedContexts">;
type Resources = NonNullable<CompileSettings["resources"]>;

const BUILD_ARG = "build-arg:";
const LABEL = "label:";

/** Returns an error with the text that BuildKit gives for an attribute that cannot be used. */
export function attributeError(text: string): VarveError {
  return new VarveError("invalid-argument", text);
}

/**
 * Converts the attributes of `dockerfile.v0` to the settings of a build, except contexts and outputs. Unknown attributes are ignored,
 * as by BuildKit.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text.
 * @see moby/buildkit frontend/dockerui/attr.go
 */
export function settingsOf(attributes: Attributes): Settings {
  refuseRemoved(attributes);
  return {
    target: attributes.get("target") || undefined,
    buildArgs: { ...withPrefix(attributes, BUILD_ARG), ...multiPlatformArgument(attributes) },
    labels: withPrefix(attributes, LABEL),
    platforms: platforms(attributes.get("platform")),
    resolveMode: resolveMode(attributes.get("image-resolve-mode")),
    noCache: noCache(attributes.get("no-cache")),
    network: network(attributes.get("force-network-mode")),
    extraHosts: within("failed to parse additional hosts", () => extraHosts(attributes.get("add-hosts"))),
    shmSize: within("failed to parse shm size", () => integer(attributes.get("shm-size"))),
    ulimits: within("failed to parse ulimit", () => ulimits(attributes.get("ulimit"))),
    cgroupParent: attributes.get("cgroup-parent") || undefined,
    hostname: attributes.get("build-arg:BUILDKIT_SANDBOX_HOSTNAME") || attributes.get("hostname") || undefined,
    resources: within("failed to parse resource limits", () => resources(attributes)),
  };
}

/** Returns the attributes whose names have a prefix, without it. */
export function withPrefix(attributes: Attributes, prefix: string): Record<string, string> {
  const entries = [...attributes].filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(prefix.length), value]));
}

function refuseRemoved(attributes: Attributes): void {
  if ((attributes.get("override-copy-image") ?? "") !== "")
    throw attributeError('support for "override-copy-image" was removed in BuildKit 0.11');
}

/** The attribute `multi-platform` has the same effect as the build argument, which takes precedence. */
function multiPlatformArgument(attributes: Attributes): Record<string, string> {
  const given = attributes.get("multi-platform") ?? "";
  const argument = attributes.get(`${BUILD_ARG}BUILDKIT_MULTI_PLATFORM`) ?? "";
  return given === "" || argument !== "" ? {} : { BUILDKIT_MULTI_PLATFORM: given };
}

function platforms(text = ""): Platform[] {
  if (text === "") return [];
  return text
    .split(",")
    .map((each) => within(`failed to parse target platform ${each}`, () => normalizePlatform(parsePlatform(each))));
}

function resolveMode(text = ""): Settings["resolveMode"] {
  switch (text) {
    case "":
    case "default":
      return "default";
    case "pull":
    case "local":
      return text;
    default:
      throw attributeError(`invalid image-resolve-mode: ${text}`);
  }
}

/** Absent means none. Present and empty means all stages. */
function noCache(text: string | undefined): boolean | readonly string[] {
  if (text === undefined) return false;
  return text === "" ? true : text.split(",");
}

function network(text = ""): Settings["network"] {
  switch (text) {
    case "":
    case "sandbox":
      return "default";
    case "none":
    case "host":
      return text;
    default:
      throw attributeError(`invalid netmode ${text}`);
  }
}

function extraHosts(text = ""): Settings["extraHosts"] {
  if (text === "") return [];
  return csvFields(text).map((field) => {
    const at = field.indexOf("=");
    const [host, ip] = [field.slice(0, at).toLowerCase(), field.slice(at + 1).toLowerCase()];
    if (at < 0) throw attributeError(`invalid key-value pair ${field}`);
    if (isIP(ip) === 0) throw attributeError(`failed to parse IP ${ip}`);
    return { host, ip };
  });
}

function ulimits(text = ""): Settings["ulimits"] {
  return text === "" ? [] : csvFields(text).map(ulimit);
}

/** Parses `name=soft[:hard]`. */
function ulimit(field: string): { name: string; soft: number; hard: number } {
  const match = /^([a-z]+)=(-?\d{1,18})(?::(-?\d{1,18}))?$/.exec(field);
  if (match === null) throw attributeError(`invalid ulimit argument: ${field}`);
  const [, name = "", soft, hard = soft] = match;
  const limit = { name, soft: Number(soft), hard: Number(hard) };
  if (limit.hard !== -1 && (limit.soft === -1 || limit.soft > limit.hard))
    throw attributeError(`ulimit soft limit must be less than or equal to hard limit: ${limit.soft} > ${limit.hard}`);
  return limit;
}

function resources(attributes: Attributes): Resources {
  return {
    memory: limit(attributes, "memory", 1),
    memorySwap: limit(attributes, "memswap", -1),
    cpuShares: limit(attributes, "cpushares", 1),
    cpuPeriod: limit(attributes, "cpuperiod", 1),
    cpuQuota: limit(attributes, "cpuquota", 1),
    cpusetCpus: attributes.get("cpusetcpus") ?? "",
    cpusetMems: attributes.get("cpusetmems") ?? "",
  };
}

/** Returns a limit, or 0 if it is not set. */
function limit(attributes: Attributes, key: string, least: number): number {
  const text = attributes.get(key) ?? "";
  if (text === "") return 0;
  const value = within(`invalid ${key} value: ${text}`, () => integer(text));
  if (value >= least && value !== 0) return value;
  throw attributeError(`invalid ${key} value: ${text}: must be ${least < 0 ? "-1 (unlimited) or " : ""}> 0`);
}

function integer(text = ""): number {
  if (text === "") return 0;
  if (!/^[+-]?\d{1,15}$/.test(text))
    throw attributeError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Adds what was parsed to the message of an error. */
function within<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw attributeError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
