import type { DaemonOptions } from "../../api/buildkit/index.ts";
import { type SocketAccess, type TcpAccess, groupId } from "../../api/listen/index.ts";
import type { CollectionSettings } from "../../caches/index.ts";
import { definedFields, messageOf, parsePlatform } from "../../core/index.ts";
import type { StoreOptions } from "../../engine/index.ts";
import { usageError } from "../flags.ts";
import { withParallelism } from "../parallelism.ts";
import type { BuildkitdConfig } from "./config.ts";
import { type BuildkitdFlags, DEFAULT_ADDRESS, DEFAULT_ROOT, itemsOf, keptStorage, labelsOf } from "./flags.ts";

/** Returns the addresses to listen on. */
export function addressesOf(flags: BuildkitdFlags, config: BuildkitdConfig): readonly string[] {
  const given = itemsOf(flags.addr);
  if (given.length > 0) return given;
  return config.addresses.length > 0 ? config.addresses : [DEFAULT_ADDRESS];
}

/** Returns the options of the store. `base` are those of the command line before the command. */
export function storeOptions(flags: BuildkitdFlags, config: BuildkitdConfig, base: StoreOptions): StoreOptions {
  const runtime = flags["oci-worker-binary"];
  const snapshotter = snapshotterOf(flags["oci-worker-snapshotter"] ?? config.snapshotter);
  const options: StoreOptions = {
    ...base,
    root: flags.root ?? config.root ?? base.root ?? DEFAULT_ROOT,
    snapshotter: snapshotter ?? base.snapshotter,
    maxParallelism: config.maxParallelism,
    registry: { config: { registries: config.registries }, concurrency: config.registryConcurrency },
    steps: { ...config.steps, ...definedFields({ runtime }) },
  };
  return withParallelism(options, flags["oci-max-parallelism"]);
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
  "entitlements" | "history" | "labels" | "platforms" | "frontendImages" | "frontendRepositories"
>;

/** Returns what the server says of itself, and what it lets clients do. */
export function workerOptions(flags: BuildkitdFlags, config: BuildkitdConfig): WorkerOptions {
  const given = itemsOf(flags["oci-worker-platform"]);
  const platforms = given.length > 0 ? given : config.platforms;
  return {
    history: config.history,
    frontendImages: config.gateway.enabled ? "auto" : "never",
    frontendRepositories: config.gateway.repositories,
    entitlements: [...config.entitlements, ...itemsOf(flags["allow-insecure-entitlement"])],
    labels: { ...config.labels, ...labelsOf(flags["oci-worker-labels"]) },
    ...(platforms.length === 0 ? {} : { platforms: platforms.map(readPlatform) }),
  };
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
