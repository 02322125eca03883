import type { DeviceSettings } from "../../cdi/index.ts";
import type { StepOptions } from "../../engine/index.ts";
import { unknownKeys } from "./known-keys.ts";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "smol-toml";
import {
  type CollectionPolicy,
  type CollectionSettings,
  type DiskSpace,
  readDiskSpace,
  readDuration,
} from "../../caches/index.ts";
import { type JsonNode, type JsonObject, VarveError, definedFields, errnoOf, readJsonValue } from "../../core/index.ts";
import type { HistoryLimits } from "../../history/index.ts";
import type { NetworkSettings } from "../../network/index.ts";
import type { RegistryHostConfig } from "../../registry/index.ts";
import { networkSettings } from "../step-settings.ts";

const MAX_POLICIES = 32;

/** The part of `buildkitd.toml` that has an effect here. */
export interface BuildkitdConfig {
  readonly root: string | undefined;
  readonly entitlements: readonly string[];
  readonly addresses: readonly string[];
  readonly tls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
  /** Who owns unix sockets. */
  readonly owner: { readonly uid?: number | undefined; readonly gid?: number | undefined };
  readonly snapshotter: string | undefined;
  readonly platforms: readonly string[];
  readonly steps: StepOptions;
  readonly devices: DeviceSettings;
  readonly network: NetworkSettings;
  /** Maximum number of connections to one registry. */
  readonly registryConcurrency: number | undefined;
  /** `max-parallelism` of the worker. */
  readonly maxParallelism: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly registries: Readonly<Record<string, RegistryHostConfig>>;
  readonly collection: CollectionSettings;
  readonly history: Partial<HistoryLimits>;
  /** Which images may be front ends: none if `gateway.v0` is off. Repositories are normalised; none listed means all. */
  readonly gateway: { readonly enabled: boolean; readonly repositories: readonly string[] };
  /** Steps reach others by a proxy only. */
  readonly proxyNetwork: boolean;
  /** The directory with facts about the builder for provenance. */
  readonly provenanceDirectory: string | undefined;
  /** Names of keys that this version does not know. They have no effect. */
  readonly unknown: readonly string[];
}

const NOTHING: BuildkitdConfig = {
  root: undefined,
  entitlements: [],
  addresses: [],
  tls: {},
  owner: {},
  snapshotter: undefined,
  platforms: [],
  steps: {},
  devices: {},
  network: {},
  registryConcurrency: undefined,
  maxParallelism: undefined,
  labels: {},
  registries: {},
  collection: {},
  history: {},
  gateway: { enabled: true, repositories: [] },
  proxyNetwork: false,
  provenanceDirectory: undefined,
  unknown: [],
};

/**
 * Reads a `buildkitd.toml`. A file that does not exist counts as empty, unless the user named it.
 *
 * @throws {VarveError} `invalid-argument` for a file that cannot be read or is malformed.
 */
export async function readBuildkitdConfig(path: string, isRequired: boolean): Promise<BuildkitdConfig> {
  const text = await read(path, isRequired);
  return text === undefined ? NOTHING : parseBuildkitdConfig(text, path);
}

async function read(path: string, isRequired: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (!isRequired && errnoOf(error) === "ENOENT") return undefined;
    throw new VarveError("invalid-argument", `Cannot read configuration ${path}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

/** Reads the text of a `buildkitd.toml`. Throws as `readBuildkitdConfig`. */
export function parseBuildkitdConfig(text: string, path: string): BuildkitdConfig {
  const json = readJsonValue(parseToml(text, path), `configuration ${path}`, {
    code: "invalid-argument",
  }).requiredObject();
  const grpc = json.field("grpc").objectOrEmpty();
  const tls = grpc.field("tls").objectOrEmpty();
  const oci = json.field("worker").objectOrEmpty().field("oci").objectOrEmpty();
  return {
    root: json.string("root") || undefined,
    entitlements: json.strings("insecure-entitlements") ?? [],
    addresses: grpc.strings("address") ?? [],
    tls: { ca: tls.string("ca"), cert: tls.string("cert"), key: tls.string("key") },
    owner: definedFields({ uid: optionalSize(grpc.field("uid")), gid: optionalSize(grpc.field("gid")) }),
    snapshotter: oci.string("snapshotter"),
    platforms: oci.strings("platforms") ?? [],
    steps: readSteps(oci, json.field("dns")),
    network: networkSettings(oci, "networkMode"),
    devices: readDevices(json.field("cdi").objectOrEmpty()),
    registryConcurrency:
      optionalSize(json.field("system").objectOrEmpty().field("maxRegistryConcurrency")) || undefined,
    maxParallelism: optionalSize(oci.field("max-parallelism")) || undefined,
    labels: Object.fromEntries(oci.stringMap("labels") ?? []),
    registries: Object.fromEntries(json.field("registry").map(readRegistry) ?? []),
    collection: readCollection(oci),
    history: readHistory(json.field("history").objectOrEmpty()),
    gateway: readGateway(json.field("frontend").objectOrEmpty().field("gateway.v0").objectOrEmpty()),
    proxyNetwork: json.boolean("proxyNetwork") ?? false,
    provenanceDirectory: json.string("provenanceEnvDir") || undefined,
    unknown: unknownKeys(json),
  };
}

function readGateway(gateway: JsonObject): BuildkitdConfig["gateway"] {
  return { enabled: gateway.boolean("enabled") ?? true, repositories: gateway.strings("allowedRepositories") ?? [] };
}

function parseToml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const [why = ""] = String(error instanceof Error ? error.message : error).split("\n", 1);
    throw new VarveError("invalid-argument", `Cannot read configuration ${path}: ${why}`, { cause: error });
  }
}

function optionalSize(field: JsonNode): number | undefined {
  return field.isAbsent ? undefined : field.size();
}

/** An empty list of `dns` means the machine's, as an absent one. */
function readSteps(oci: JsonObject, dns: JsonNode): StepOptions {
  const given = dns.objectOrEmpty();
  const [servers, search, options] = ["nameservers", "searchDomains", "options"].map((name) => given.strings(name));
  return definedFields<StepOptions>({
    runtime: oci.string("binary") || undefined,
    cgroupParent: oci.string("defaultCgroupParent") || undefined,
    dns: dns.isAbsent ? undefined : { servers, search, options },
  });
}

/** An empty list of directories means BuildKit's, as an absent one. */
function readDevices(json: JsonObject): DeviceSettings {
  const directories = json.strings("specDirs") ?? [];
  return definedFields<DeviceSettings>({
    disabled: json.boolean("disabled"),
    directories: directories.length === 0 ? undefined : directories,
    autoAllowed: json.strings("autoAllowed"),
  });
}

function readCollection(oci: JsonObject): CollectionSettings {
  const { keptStorage, ...sizes } = readSizes(oci, "gckeepstorage");
  const isGiven = Object.values(sizes).some((size) => size !== undefined);
  return definedFields<CollectionSettings>({
    enabled: oci.boolean("gc"),
    ...(isGiven ? sizes : { reservedSpace: keptStorage }),
    policies: oci.field("gcpolicy").list(readPolicy, MAX_POLICIES),
  });
}

function readPolicy(item: JsonNode): CollectionPolicy {
  const json = item.requiredObject();
  const { keptStorage, ...sizes } = readSizes(json, "keepBytes");
  return definedFields<CollectionPolicy>({
    all: json.boolean("all"),
    filters: json.strings("filters"),
    keepDuration: readDuration(json.field("keepDuration")),
    ...sizes,
    reservedSpace: sizes.reservedSpace ?? keptStorage,
  });
}

type Sizes = Pick<CollectionPolicy, "reservedSpace" | "maxUsedSpace" | "minFreeSpace">;

/** `old` is the former name of `reservedSpace`. */
function readSizes(json: JsonObject, old: string): Sizes & { readonly keptStorage: DiskSpace | undefined } {
  return {
    reservedSpace: readDiskSpace(json.field("reservedSpace")),
    maxUsedSpace: readDiskSpace(json.field("maxUsedSpace")),
    minFreeSpace: readDiskSpace(json.field("minFreeSpace")),
    keptStorage: readDiskSpace(json.field(old)),
  };
}

function readHistory(json: JsonObject): Partial<HistoryLimits> {
  return definedFields<Partial<HistoryLimits>>({
    maxAge: readDuration(json.field("maxAge")),
    maxEntries: optionalSize(json.field("maxEntries")),
  });
}

function readRegistry(item: JsonNode): RegistryHostConfig {
  const json = item.requiredObject();
  const [ca] = json.strings("ca") ?? [];
  const [pair] = json.objects("keypair");
  return {
    mirrors: json.strings("mirrors"),
    insecure: json.boolean("insecure"),
    http: json.boolean("http"),
    ca: ca === undefined ? undefined : resolve(ca),
    cert: absolute(pair?.string("cert")),
    key: absolute(pair?.string("key")),
  };
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
