import { usageError } from "../flags.ts";

export const DEFAULT_ADDRESS = "unix:///run/buildkit/buildkitd.sock";
export const DEFAULT_CONFIG = "/etc/buildkit/buildkitd.toml";
export const DEFAULT_ROOT = "/var/lib/buildkit";

/** The flags of buildkitd. */
export const FLAGS = {
  addr: { kind: "many", value: "ADDR", help: "Listen on unix:///path, tcp://host:port or fd://" },
  config: { kind: "string", value: "FILE", help: "Configuration file (default /etc/buildkit/buildkitd.toml)" },
  root: { kind: "string", value: "DIR", help: "Directory of images, layers and cache (default /var/lib/buildkit)" },
  debug: { kind: "boolean", help: "No effect" },
  "allow-insecure-entitlement": { kind: "many", value: "NAME", help: "Let clients grant an entitlement to builds" },
  tlscacert: { kind: "string", value: "FILE", help: "Certificate of the CA that signed the certificates of clients" },
  tlscert: { kind: "string", value: "FILE", help: "Certificate of the server" },
  tlskey: { kind: "string", value: "FILE", help: "Private key of the server" },
  "oci-worker-labels": { kind: "many", value: "KEY=VALUE", help: "Add labels to the worker" },
  "oci-worker-snapshotter": { kind: "string", value: "NAME", help: "Set how layers are stored (overlayfs, native)" },
  "oci-worker": { kind: "string", value: "BOOL", help: "No effect" },
  "oci-worker-gc": { kind: "string", value: "BOOL", help: "Collect the cache after builds (default true)" },
  "oci-worker-gc-keepstorage": { kind: "string", value: "SIZE", help: "No effect" },
  "oci-max-parallelism": {
    kind: "string",
    value: "N",
    help: "Maximum number of operations at once (num-cpu, 0: no limit)",
  },
  "oci-worker-net": { kind: "string", value: "NAME", help: "No effect" },
  "oci-worker-no-process-sandbox": { kind: "boolean", help: "No effect" },
  "oci-worker-platform": { kind: "many", value: "PLATFORM", help: "No effect" },
  "containerd-worker": { kind: "string", value: "BOOL", help: "No effect" },
  "cdi-spec-dir": { kind: "many", value: "DIR", help: "No effect" },
  "otel-socket-path": { kind: "string", value: "PATH", help: "No effect" },
  debugaddr: { kind: "string", value: "ADDR", help: "No effect" },
  group: { kind: "string", value: "GROUP", help: "No effect" },
  rootless: { kind: "boolean", help: "No effect" },
  "log-level": { kind: "string", value: "LEVEL", help: "No effect" },
  "log-format": { kind: "string", value: "FORMAT", help: "No effect" },
  trace: { kind: "boolean", help: "No effect" },
  "proxy-network": { kind: "boolean", help: "No effect" },
} as const;

/** Parses labels: `key=value`, several separated by commas. */
export function labelsOf(items: readonly string[]): Record<string, string> {
  const entries = items
    .flatMap((item) => item.split(","))
    .map((item) => {
      const at = item.indexOf("=");
      if (at < 1) throw usageError(`Cannot read --oci-worker-labels ${JSON.stringify(item)}: expected key=value`);
      return [item.slice(0, at), item.slice(at + 1)] as const;
    });
  return Object.fromEntries(entries);
}
