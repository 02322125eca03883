import type { JsonNode } from "../../../core/index.ts";
import { bytesOf } from "../../../io/index.ts";
import type { Call } from "../api.ts";
import type { BuildLimits, ClassicBuildRequest, Ulimit } from "../build-request.ts";
import { buildSecrets } from "../build-secrets.ts";
import { apiError } from "../errors.ts";
import { platformSpecifier } from "../platforms.ts";
import { flag, jsonValue, lenientInteger, text } from "../query.ts";
import { buildCredentials } from "../registry-auth.ts";

/**
 * Reads every parameter of a build before the build starts.
 *
 * @throws {VarveError} with the status and message of the Docker daemon for a malformed parameter.
 */
export function buildRequest({ query, request, version }: Omit<Call, "name">): ClassicBuildRequest {
  checkVersion(query.get("version") ?? "");
  const remote = text(query, "remote");
  if (remote === "client-session" && query.get("version") !== "2")
    throw apiError(400, "a context from a client session needs BuildKit");
  if (query.getAll("securityopt").some((each) => each !== ""))
    throw apiError(400, "security options are not supported on linux");
  checkIsolation(text(query, "isolation"));
  return {
    context: remote === undefined ? request.body : bytesOf(),
    dockerfile: text(query, "dockerfile") ?? "Dockerfile",
    tags: query.getAll("t").filter((tag) => tag !== ""),
    remote,
    target: text(query, "target"),
    platform: platformSpecifier({ query, version }),
    quiet: flag(query, "q"),
    noCache: flag(query, "nocache"),
    pull: flag(query, "pull"),
    remove: flag(query, "forcerm") ? "always" : removes(query) ? "on-success" : "never",
    squash: flag(query, "squash"),
    cacheFrom: jsonValue(query, "cachefrom").strings() ?? [],
    buildArgs: jsonValue(query, "buildargs").map(argumentOf) ?? new Map(),
    labels: jsonValue(query, "labels").stringMap() ?? new Map(),
    extraHosts: query.getAll("extrahosts").filter((host) => host !== ""),
    networkMode: text(query, "networkmode"),
    limits: limitsOf(query),
    credentials: buildCredentials(request.headers.get("x-registry-config")),
    secrets: buildSecrets(request.headers.get("x-varve-secrets")),
  };
}

function checkVersion(version: string): void {
  if (version !== "" && version !== "1" && version !== "2")
    throw apiError(400, `invalid version ${JSON.stringify(version)}`);
}

function checkIsolation(isolation: string | undefined): void {
  if (isolation !== undefined && isolation.toLowerCase() !== "default")
    throw apiError(400, `Unsupported isolation: ${JSON.stringify(isolation)}`);
}

/** Reads `rm`, which is true when it is absent or empty. */
function removes(query: URLSearchParams): boolean {
  return text(query, "rm") === undefined || flag(query, "rm");
}

function limitsOf(query: URLSearchParams): BuildLimits {
  return {
    memory: lenientInteger(query, "memory"),
    memorySwap: lenientInteger(query, "memswap"),
    cpuShares: lenientInteger(query, "cpushares"),
    cpuPeriod: lenientInteger(query, "cpuperiod"),
    cpuQuota: lenientInteger(query, "cpuquota"),
    cpusetCpus: text(query, "cpusetcpus"),
    cpusetMems: text(query, "cpusetmems"),
    shmSize: shmSize(text(query, "shmsize")),
    cgroupParent: text(query, "cgroupparent"),
    ulimits: jsonValue(query, "ulimits").list(ulimitOf) ?? [],
  };
}

function shmSize(size: string | undefined): number {
  if (size === undefined) return 0;
  if (/^\d{1,15}$/.test(size)) return Number(size);
  throw apiError(500, `strconv.ParseInt: parsing ${JSON.stringify(size)}: invalid syntax`);
}

/** Reads the value of a build argument: `null` for an argument without a value. */
function argumentOf(item: JsonNode): string | null {
  return item.string() ?? null;
}

function ulimitOf(item: JsonNode): Ulimit {
  const json = item.requiredObject();
  const name = json.string("Name") ?? json.field("Name").fail("a string");
  return { name, soft: json.integer("Soft") ?? 0, hard: json.integer("Hard") ?? 0 };
}
