import type { DiskSpace } from "../../caches/index.ts";
import { type Parsed, usageError } from "../flags.ts";

/** The flags of buildkitd. */
export const FLAGS = {
  addr: { kind: "many", value: "ADDR", help: "Listen on unix:///path, tcp://host:port or fd://" },
  group: { kind: "string", value: "GROUP", help: "Group, by name or id, whose members may use unix sockets" },
  config: { kind: "string", value: "FILE", help: "Configuration file (default /etc/buildkit/buildkitd.toml)" },
  root: { kind: "string", value: "DIR", help: "Directory of images, layers and cache (default /var/lib/buildkit)" },
  "allow-insecure-entitlement": { kind: "many", value: "NAME", help: "Let clients grant an entitlement to builds" },
  tlscacert: { kind: "string", value: "FILE", help: "Certificate of the CA that signed the certificates of clients" },
  tlscert: { kind: "string", value: "FILE", help: "Certificate of the server" },
  tlskey: { kind: "string", value: "FILE", help: "Private key of the server" },
  "oci-cni-binary-dir": { kind: "string", value: "DIR", help: "Directory of network plugins (default /opt/cni/bin)" },
  "oci-cni-config-path": {
    kind: "string",
    value: "FILE",
    help: "Configuration of network plugins (default /etc/buildkit/cni.json)",
  },
  "oci-cni-pool-size": { kind: "string", value: "N", help: "How many networks plugins make ahead of time" },
  "oci-worker-net": { kind: "string", value: "MODE", help: "Network of steps (auto, host, bridge, cni, none)" },
  "oci-max-parallelism": {
    kind: "string",
    value: "N",
    help: "Maximum number of operations at once (num-cpu, 0: no limit)",
  },
  "oci-worker-binary": { kind: "string", value: "NAME", help: "OCI runtime that runs steps (crun or runc)" },
  "oci-worker-gc": { kind: "switch", help: "Collect the cache after builds (default true)" },
  "oci-worker-gc-keepstorage": {
    kind: "string",
    value: "SIZE",
    help: "Megabytes that collection keeps: RESERVED[,FREE[,MAXIMUM]]",
  },
  "oci-worker-labels": { kind: "many", value: "KEY=VALUE", help: "Add labels to the worker" },
  "oci-worker-platform": { kind: "many", value: "PLATFORM", help: "Set the platforms that the worker lists" },
  "oci-worker-snapshotter": { kind: "string", value: "NAME", help: "Set how layers are stored (overlayfs, native)" },
  "cdi-disabled": { kind: "switch", help: "Give steps no devices of the Container Device Interface" },
  "cdi-spec-dir": {
    kind: "many",
    value: "DIR",
    help: "Directories with devices (default /etc/cdi, /var/run/cdi, /etc/buildkit/cdi)",
  },
  "proxy-network": { kind: "switch", help: "Let steps reach others by a proxy only, which records their requests" },
  version: { kind: "boolean", short: "v", help: "Print the version and exit" },
  "containerd-cni-binary-dir": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-cni-config-path": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-cni-pool-size": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-max-parallelism": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-addr": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-apparmor-profile": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-gc": { kind: "switch", help: "No effect" },
  "containerd-worker-gc-keepstorage": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-labels": { kind: "many", value: "VALUE", help: "No effect" },
  "containerd-worker-namespace": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-net": { kind: "string", value: "VALUE", help: "No effect" },
  "containerd-worker-platform": { kind: "many", value: "VALUE", help: "No effect" },
  "containerd-worker-rootless": { kind: "switch", help: "No effect" },
  "containerd-worker-selinux": { kind: "switch", help: "No effect" },
  "containerd-worker-snapshotter": { kind: "string", value: "VALUE", help: "No effect" },
  debug: { kind: "switch", help: "No effect" },
  debugaddr: { kind: "string", value: "VALUE", help: "No effect" },
  "log-format": { kind: "string", value: "VALUE", help: "No effect" },
  "log-level": { kind: "string", value: "VALUE", help: "No effect" },
  "oci-worker": { kind: "string", value: "VALUE", help: "No effect" },
  "oci-worker-apparmor-profile": { kind: "string", value: "VALUE", help: "No effect" },
  "oci-worker-no-process-sandbox": { kind: "switch", help: "No effect" },
  "oci-worker-proxy-snapshotter-path": { kind: "string", value: "VALUE", help: "No effect" },
  "oci-worker-rootless": { kind: "switch", help: "No effect" },
  "oci-worker-selinux": { kind: "switch", help: "No effect" },
  "otel-socket-path": { kind: "string", value: "VALUE", help: "No effect" },
  rootless: { kind: "switch", help: "No effect" },
  "save-cache-debug": { kind: "switch", help: "No effect" },
  trace: { kind: "switch", help: "No effect" },
} as const;

export type BuildkitdFlags = Parsed<typeof FLAGS>["flags"];

/** Returns the items of a flag that may be given several times, with several items separated by commas. */
export function itemsOf(given: readonly string[]): string[] {
  return given.flatMap((each) => each.split(",")).filter((item) => item !== "");
}

/** Parses labels: `key=value`, several separated by commas. */
export function labelsOf(given: readonly string[]): Record<string, string> {
  const entries = itemsOf(given).map((item) => {
    const at = item.indexOf("=");
    if (at < 1) throw usageError(`Cannot read --oci-worker-labels ${JSON.stringify(item)}: expected key=value`);
    return [item.slice(0, at), item.slice(at + 1)] as const;
  });
  return Object.fromEntries(entries);
}

interface KeptStorage {
  readonly reservedSpace?: DiskSpace | undefined;
  readonly minFreeSpace?: DiskSpace | undefined;
  readonly maxUsedSpace?: DiskSpace | undefined;
}

const MEGABYTE = 1_000_000;

/** Parses `--oci-worker-gc-keepstorage`: megabytes, `RESERVED[,FREE[,MAXIMUM]]`. An empty text sets none of them. */
export function keptStorage(text: string): KeptStorage {
  if (text === "") return {};
  if (!/^\d{1,9}(?:,\d{1,9}){0,2}$/.test(text))
    throw usageError(
      `Cannot read --oci-worker-gc-keepstorage ${JSON.stringify(text)}: expected megabytes as RESERVED[,FREE[,MAXIMUM]]`,
    );
  const [reservedSpace, minFreeSpace, maxUsedSpace] = text.split(",").map((part) => Number(part) * MEGABYTE);
  return { reservedSpace, minFreeSpace, maxUsedSpace };
}
