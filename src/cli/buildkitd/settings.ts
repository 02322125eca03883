import type { DaemonOptions } from "../../api/buildkit/index.ts";
import { type SocketAccess, type TcpAccess, groupId } from "../../api/listen/index.ts";
import type { CollectionSettings } from "../../caches/index.ts";
import type { DeviceSettings } from "../../cdi/index.ts";
import { definedFields, messageOf, parseGoBool, parsePlatform } from "../../core/index.ts";
import type { StoreOptions } from "../../engine/index.ts";
import { NETWORK_PROVIDER_MODES, type NetworkSettings } from "../../network/index.ts";
import { usageError } from "../flags.ts";
import { withParallelism } from "../parallelism.ts";
import type { BuildkitdConfig } from "./config.ts";
import { defaultPlaces } from "./defaults.ts";
import { type BuildkitdFlags, itemsOf, keptStorage, labelsOf } from "./flags.ts";

/** Returns the addresses to listen on. */
export function addressesOf(
  flags: BuildkitdFlags,
  config: BuildkitdConfig,
  env: NodeJS.ProcessEnv = {},
): readonly string[] {
  const given = itemsOf(flags.addr);
  if (given.length > 0) return given;
  return config.addresses.length > 0 ? config.addresses : [defaultPlaces(env).address];
}

/** Returns the options of the store. `base` are those of the command line before the command. */
export function storeOptions(
  flags: BuildkitdFlags,
  config: BuildkitdConfig,
  base: StoreOptions,
  env: NodeJS.ProcessEnv = {},
): StoreOptions {
  const runtime = flags["oci-worker-binary"];
  const snapshotter = snapshotterOf(flags["oci-worker-snapshotter"] ?? config.snapshotter);
  const options: StoreOptions = {
    ...base,
    root: flags.root ?? config.root ?? base.root ?? defaultPlaces(env).root,
    snapshotter: snapshotter ?? base.snapshotter,
    maxParallelism: config.maxParallelism,
    registry: { config: { registries: config.registries }, concurrency: config.registryConcurrency },
    steps: { ...base.steps, ...config.steps, ...definedFields({ runtime }) },
    devices: devicesOf(flags, config),
    network: networkOf(flags, config, env),
  };
  return withParallelism(options, flags["oci-max-parallelism"]);
}

/** BuildKit's bridge. Its name and its addresses are not Varve's own, which may run beside. */
const BRIDGE = { bridgeName: "buildkit0", bridgeSubnet: "10.10.0.0/16" } as const;

function networkOf(flags: BuildkitdFlags, { network }: BuildkitdConfig, env: NodeJS.ProcessEnv): NetworkSettings {
  const { "oci-worker-net": text = "", "oci-cni-pool-size": size } = flags;
  const { "oci-cni-config-path": cniConfigPath, "oci-cni-binary-dir": cniBinaryPath } = flags;
  const given = NETWORK_PROVIDER_MODES.find((each) => each === text);
  if (text !== "" && given === undefined)
    throw usageError(
      `Cannot use --oci-worker-net ${JSON.stringify(text)}: expected one of ${NETWORK_PROVIDER_MODES.join(", ")}`,
    );
  if (size !== undefined && !/^\d{1,3}$/.test(size))
    throw usageError(`Cannot use --oci-cni-pool-size ${JSON.stringify(size)}: not a number`);
  const mode = given ?? network.mode ?? "auto";
  const bridges = mode === "auto" && parseGoBool(env["BUILDKIT_NETWORK_BRIDGE_AUTO"] ?? "") === true;
  return {
    ...BRIDGE,
    ...network,
    ...definedFields({ cniConfigPath, cniBinaryPath, cniPoolSize: size === undefined ? undefined : Number(size) }),
    mode: bridges ? "bridge" : mode,
  };
}

function devicesOf(flags: BuildkitdFlags, { devices }: BuildkitdConfig): DeviceSettings {
  const directories = itemsOf(flags["cdi-spec-dir"]);
  return {
    ...devices,
    ...definedFields({ disabled: flags["cdi-disabled"] }),
    ...(directories.length > 0 && { directories }),
  };
}

/** BuildKit's other snapshotters are not there: the store chooses one by itself then. */
function snapshotterOf(name: string | undefined): StoreOptions["snapshotter"] {
  switch (name) {
    case "overlayfs":
      return "overlay";
    case "native":
      return "copy";
    default:
      return undefined;
  }
}

/** Returns what is collected after builds. */
export function collectionOf(flags: BuildkitdFlags, { collection }: BuildkitdConfig): CollectionSettings {
  const { "oci-worker-gc": enabled, "oci-worker-gc-keepstorage": kept } = flags;
  const { reservedSpace: _reserved, minFreeSpace: _free, maxUsedSpace: _used, ...rest } = collection;
  return {
    ...(kept === undefined ? collection : { ...rest, ...definedFields(keptStorage(kept)) }),
    ...definedFields({ enabled }),
  };
}

type WorkerOptions = Pick<
  DaemonOptions,
  "entitlements" | "history" | "labels" | "platforms" | "frontendImages" | "frontendRepositories" | "proxyNetwork"
>;

/** Returns what the server says of itself, and what it lets clients do. */
export function workerOptions(flags: BuildkitdFlags, config: BuildkitdConfig): WorkerOptions {
  const given = itemsOf(flags["oci-worker-platform"]);
  const platforms = given.length > 0 ? given : config.platforms;
  return {
    history: config.history,
    proxyNetwork: flags["proxy-network"] ?? config.proxyNetwork,
    frontendImages: config.gateway.enabled ? "auto" : "never",
    frontendRepositories: config.gateway.repositories,
    entitlements: entitlementsOf(flags, config),
    labels: { ...config.labels, ...labelsOf(flags["oci-worker-labels"]) },
    ...(platforms.length === 0 ? {} : { platforms: platforms.map(readPlatform) }),
  };
}

/** As in BuildKit, clients may grant devices to their builds unless devices are turned off. */
function entitlementsOf(flags: BuildkitdFlags, config: BuildkitdConfig): string[] {
  const given = [...config.entitlements, ...itemsOf(flags["allow-insecure-entitlement"])];
  return devicesOf(flags, config).disabled === true ? given : [...new Set([...given, "device"])];
}

function readPlatform(text: string): ReturnType<typeof parsePlatform> {
  try {
    return parsePlatform(text);
  } catch (error) {
    throw usageError(`Cannot use the platforms of the worker: ${messageOf(error)}`);
  }
}

/** Returns who may use unix sockets; undefined if nobody has said it. */
export async function socketAccess(
  { group }: BuildkitdFlags,
  { owner }: BuildkitdConfig,
): Promise<SocketAccess | undefined> {
  if (group === undefined && Object.keys(owner).length === 0) return undefined;
  return { kind: "ids", ...owner, ...(group === undefined ? {} : { gid: await groupOf(group) }) };
}

async function groupOf(text: string): Promise<number> {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : await groupId(text);
  if (id === undefined) throw usageError(`Cannot use --group ${JSON.stringify(text)}: there is no such group`);
  return id;
}

/** TCP clients need a certificate of the CA. Without a certificate of the server, only loopback addresses are served. */
export function tcpAccess(flags: BuildkitdFlags, { tls }: BuildkitdConfig): TcpAccess {
  const cert = flags.tlscert ?? tls.cert;
  const key = flags.tlskey ?? tls.key;
  const ca = flags.tlscacert ?? tls.ca;
  if (cert === undefined && key === undefined && ca === undefined) return { kind: "insecure-loopback" };
  if (cert === undefined || key === undefined || ca === undefined)
    throw usageError("Cannot serve with TLS: expected --tlscacert, --tlscert and --tlskey");
  return { kind: "tls", files: { ca, cert, key } };
}
