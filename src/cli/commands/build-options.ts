import type {
  BuildContext,
  CacheSpec,
  DockerfileSource,
  OutputSpec,
  SecretSource,
  SshSource,
  StepResources,
  Ulimit,
} from "../../engine/index.ts";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Limits, type Platform, type TracedSetting, parsePlatform, tracedSetting } from "../../core/index.ts";
import { FRONTEND_IMAGES, type FrontendImages } from "../../frontend/index.ts";
import { collect } from "../../io/index.ts";
import type { CommandContext } from "../command.ts";
import { usageError } from "../flags.ts";
import { attributes, byteSize, csvFields, keyValues } from "../values.ts";

const REMOTE = /^(?:https?|git|ssh):\/\/|^git@|^github\.com\//;

/** Parses the context argument: a directory, a URL, or `-` for standard input. */
export function contextOf(argument: string, stdin: AsyncIterable<Uint8Array>): BuildContext {
  if (argument === "-") return { kind: "stream", bytes: stdin };
  if (REMOTE.test(argument)) return { kind: "url", url: argument };
  return { kind: "directory", path: argument };
}

export async function dockerfileOf(
  file: string | undefined,
  context: BuildContext,
  stdin: AsyncIterable<Uint8Array>,
): Promise<DockerfileSource | undefined> {
  if (file === undefined) return undefined;
  if (file !== "-")
    return context.kind === "directory" ? { kind: "file", path: file } : { kind: "context", path: file };
  if (context.kind === "stream")
    throw usageError("Cannot read both the context and the Dockerfile from standard input");
  const text = await collect(stdin, Limits.dockerfile, { what: "the Dockerfile from standard input" });
  return { kind: "text", text: text.toString(), name: "Dockerfile" };
}

export function platformsOf(items: readonly string[]): Platform[] {
  return items
    .flatMap((item) => item.split(","))
    .filter((item) => item !== "")
    .map(parsePlatform);
}

const OUTPUT_TYPES = ["image", "registry", "oci", "docker", "tar", "local", "cacheonly"] as const;

/** Parses an `--output`: attributes, or only a path, which means `type=local`. `-` means a tar on standard output. */
export function outputOf(text: string): OutputSpec {
  if (text === "") throw usageError("Cannot read --output: it is empty");
  if (!text.includes("=")) return text === "-" ? { type: "tar", dest: "-" } : { type: "local", dest: text };
  const { type: name, dest, destination, ...attrs } = attributes(text);
  const type = OUTPUT_TYPES.find((known) => known === name);
  if (type === undefined)
    throw usageError(`Cannot read --output ${JSON.stringify(text)}: type must be one of ${OUTPUT_TYPES.join(", ")}`);
  const path = dest ?? destination;
  if ((type === "local" || type === "tar") && path === undefined)
    throw usageError(`Cannot read --output ${JSON.stringify(text)}: ${type} needs dest=PATH`);
  return path === undefined ? { type, attrs } : { type, attrs, dest: path };
}

export interface OutputFlags {
  readonly output: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
}

/** Returns all outputs. Without any output flag, the image is kept in the store. */
export function outputsOf({ output, push, load }: OutputFlags): OutputSpec[] {
  const outputs = output.map(outputOf);
  if (push) outputs.push({ type: "registry" });
  if (load || outputs.length === 0) outputs.push({ type: "image" });
  return outputs;
}

/** Parses `--cache-from` or `--cache-to`: attributes, or only a reference, which means `type=registry`. */
export function cacheSpecOf(text: string): CacheSpec {
  if (!csvFields(text).some((field) => field.includes("="))) return { type: "registry", attrs: { ref: text } };
  const { type = "", ...attrs } = attributes(text);
  if (type === "") throw usageError(`Cannot read cache ${JSON.stringify(text)}: type is missing`);
  return { type, attrs };
}

/** Parses a `--secret`. An ID alone names an environment variable or, if that is not set, a file. */
export function secretOf(text: string, { cwd, env: variables }: Pick<CommandContext, "cwd" | "env">): SecretSource {
  const { id, src, source, env, type, ...rest } = attributes(text);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw usageError(`Cannot read --secret: unexpected key ${JSON.stringify(unknown)}`);
  if (type !== undefined && type !== "file" && type !== "env")
    throw usageError(`Cannot read --secret: unsupported secret type ${JSON.stringify(type)}`);
  const name = id ?? env;
  if (name === undefined || name === "") throw usageError("Cannot read --secret: id is missing");
  const file = src ?? source;
  const variable = env || (type === "env" ? file : undefined);
  if (variable) return { id: name, source: { env: variable } };
  if (file && type !== "env") return { id: name, source: { file } };
  if (Object.hasOwn(variables, name)) return { id: name, source: { env: name } };
  if (existsSync(resolve(cwd, name))) return { id: name, source: { file: name } };
  throw usageError(
    `Cannot read --secret id=${name}: there is neither an environment variable nor a file named ${name}`,
  );
}

/** Parses an `--ssh`: an agent's ID and its sockets. The default socket is `SSH_AUTH_SOCK`. */
export function sshOf(text: string, env: NodeJS.ProcessEnv): SshSource {
  const at = text.indexOf("=");
  const id = (at < 0 ? text : text.slice(0, at)) || "default";
  const given = at < 0 ? "" : text.slice(at + 1);
  if (given !== "") return { id, paths: given.split(",") };
  const agent = env["SSH_AUTH_SOCK"] ?? "";
  if (agent === "") throw usageError(`Cannot read --ssh ${id}: no agent is running (SSH_AUTH_SOCK is not set)`);
  return { id, paths: [agent] };
}

export function extraHostOf(text: string): { host: string; ip: string } {
  const match = /^([^=:]+)[=:](.+)$/.exec(text);
  if (match === null) throw usageError(`Cannot read --add-host ${JSON.stringify(text)}: expected host:ip`);
  return { host: match[1] ?? "", ip: (match[2] ?? "").replace(/^\[(.*)\]$/, "$1") };
}

export function ulimitOf(text: string): Ulimit {
  const match = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text);
  if (match === null) throw usageError(`Cannot read --ulimit ${JSON.stringify(text)}: expected name=soft[:hard]`);
  const ulimit = { name: match[1] ?? "", soft: Number(match[2]), hard: Number(match[3] ?? match[2]) };
  const { soft, hard } = ulimit;
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw usageError(`Cannot read --ulimit ${JSON.stringify(text)}: the soft limit exceeds the hard limit`);
  return ulimit;
}

/** Values of the flags that limit the resources of steps. */
export interface ResourceFlags {
  readonly memory: string | undefined;
  readonly "memory-swap": string | undefined;
  readonly "cpu-shares": string | undefined;
  readonly "cpu-period": string | undefined;
  readonly "cpu-quota": string | undefined;
  readonly "cpuset-cpus": string | undefined;
  readonly "cpuset-mems": string | undefined;
}

export function resourcesOf(flags: ResourceFlags): StepResources {
  const swap = flags["memory-swap"];
  return {
    memory: flags.memory === undefined ? 0 : byteSize("memory", flags.memory),
    memorySwap: swap === undefined ? 0 : swap === "-1" ? -1 : byteSize("memory-swap", swap),
    cpuShares: wholeNumber("cpu-shares", flags["cpu-shares"]),
    cpuPeriod: wholeNumber("cpu-period", flags["cpu-period"]),
    cpuQuota: wholeNumber("cpu-quota", flags["cpu-quota"]),
    cpusetCpus: flags["cpuset-cpus"] ?? "",
    cpusetMems: flags["cpuset-mems"] ?? "",
  };
}

function wholeNumber(flag: string, text = "0"): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usageError(`Cannot read --${flag} ${JSON.stringify(text)}: expected a whole number`);
}

const NETWORKS = ["default", "host", "none"] as const;

/** Reads `--network`. BuildKit calls the default network `sandbox`. */
export function networkOf(text: string | undefined): (typeof NETWORKS)[number] | undefined {
  if (text === "sandbox") return "default";
  const known = NETWORKS.find((name) => name === text);
  if (text !== undefined && known === undefined)
    throw usageError(`Cannot use network ${JSON.stringify(text)}: expected default, host or none`);
  return known;
}

export function namedContexts(items: readonly string[]): Record<string, string> {
  for (const item of items)
    if (!item.includes("="))
      throw usageError(`Cannot read --build-context ${JSON.stringify(item)}: expected name=source`);
  return keyValues("build-context", items);
}

/** Returns the value of `--traced`; undefined for `off`. */
export function tracedOf(value: string): TracedSetting | undefined {
  if (value === "off") return undefined;
  const setting = value === "" ? "contents" : tracedSetting(value);
  if (setting !== undefined) return setting;
  const expected = "expected --traced, --traced=loose, --traced=verify or --traced=off";
  throw usageError(`Cannot trace steps as ${JSON.stringify(value)}: ${expected}`);
}

/** Reads `--frontend-image`. Throws a usage error for an unknown mode. */
export function frontendImagesOf(text: string): FrontendImages {
  const known = FRONTEND_IMAGES.find((mode) => mode === text);
  if (known !== undefined) return known;
  throw usageError(`Cannot run front ends as ${JSON.stringify(text)}: expected one of ${FRONTEND_IMAGES.join(", ")}`);
}
