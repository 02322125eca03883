import type { Endpoint, Call } from "../api.ts";
import type { ClassicBuildRequest, BuildLimits, Ulimit } from "../build-request.ts";
import { refusal } from "../errors.ts";
import { platformSpecifier } from "../platforms.ts";
import { progressStream } from "../progress-stream.ts";
import { flag, isRecord, isStrings, jsonValue, lenientInteger, text } from "../query.ts";
import { buildCredentials } from "../registry-auth.ts";
import { ok } from "../respond.ts";
import { storeBuilder } from "../store-builder.ts";
import { bytesOf } from "../../../io/index.ts";

/** The classic build. */
export const build: Endpoint = async (call, api) => {
  const wanted = buildRequest(call);
  const run = api.classicBuild ?? storeBuilder(api);
  return await progressStream(call.request.signal, async (emit, signal) => await run(wanted, emit, signal));
};

/** Reads every parameter. Throws what the daemon answers to one that is malformed, before anything else happens. */
export function buildRequest({ query, request, version }: Omit<Call, "name">): ClassicBuildRequest {
  checkVersion(query.get("version") ?? "");
  const remote = text(query, "remote");
  if (remote === "client-session") throw refusal(400, "a context from a client session needs BuildKit");
  if (query.getAll("securityopt").some((each) => each !== ""))
    throw refusal(400, "security options are not supported on linux");
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
    cacheFrom: jsonValue(query, "cachefrom", isNullOr(isStrings)) ?? [],
    buildArgs: new Map(Object.entries(jsonValue(query, "buildargs", isNullOr(isArguments)) ?? {})),
    labels: new Map(Object.entries(jsonValue(query, "labels", isNullOr(isLabels)) ?? {})),
    extraHosts: query.getAll("extrahosts").filter((host) => host !== ""),
    networkMode: text(query, "networkmode"),
    limits: limitsOf(query),
    credentials: buildCredentials(request.headers.get("x-registry-config")),
  };
}

function checkVersion(version: string): void {
  if (version === "2") throw refusal(400, "Cannot build: BuildKit is not served here; set DOCKER_BUILDKIT=0");
  if (version !== "" && version !== "1") throw refusal(400, `invalid version ${JSON.stringify(version)}`);
}

function checkIsolation(isolation: string | undefined): void {
  if (isolation !== undefined && isolation.toLowerCase() !== "default")
    throw refusal(400, `Unsupported isolation: ${JSON.stringify(isolation)}`);
}

/** True when absent, and when empty. */
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
    ulimits: (jsonValue(query, "ulimits", isNullOr(isUlimits)) ?? []).map(ulimitOf),
  };
}

function shmSize(size: string | undefined): number {
  if (size === undefined) return 0;
  if (/^\d{1,15}$/.test(size)) return Number(size);
  throw refusal(500, `strconv.ParseInt: parsing ${JSON.stringify(size)}: invalid syntax`);
}

function isNullOr<T>(shape: (value: unknown) => value is T): (value: unknown) => value is T | null {
  return (value): value is T | null => value === null || shape(value);
}

function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every((each) => typeof each === "string");
}

function isArguments(value: unknown): value is Readonly<Record<string, string | null>> {
  return isRecord(value) && Object.values(value).every((each) => each === null || typeof each === "string");
}

interface UlimitJson {
  readonly Name: string;
  readonly Soft?: number | undefined;
  readonly Hard?: number | undefined;
}

function isUlimits(value: unknown): value is readonly UlimitJson[] {
  const isCount = (count: unknown): boolean => count === undefined || Number.isSafeInteger(count);
  return (
    Array.isArray(value) &&
    value.every(
      (each) => isRecord(each) && typeof each["Name"] === "string" && isCount(each["Soft"]) && isCount(each["Hard"]),
    )
  );
}

function ulimitOf({ Name, Soft = 0, Hard = 0 }: UlimitJson): Ulimit {
  return { name: Name, soft: Soft, hard: Hard };
}

/** The cache of classic builds is their images: it goes with them, by `POST /images/prune`. */
export const buildPrune: Endpoint = (_call, { events }) => {
  events.emit("builder", "prune", "", { reclaimed: "0" });
  return ok({ CachesDeleted: null, SpaceReclaimed: 0 });
};

/** Only builds by BuildKit have an id; that there is none of this one is no error. */
export const buildCancel: Endpoint = ({ query }) => {
  if (text(query, "id") === undefined) throw refusal(400, "build ID not provided");
  return { status: 200, headers: { "Content-Type": "application/json" } };
};
