import type { JsonObject } from "../../core/index.ts";

const COLLECTION = ["gc", "gckeepstorage", "gcpolicy", "maxUsedSpace", "minFreeSpace", "reservedSpace"];
const NETWORK = ["bridgeName", "bridgeSubnet", "cniBinaryPath", "cniConfigPath", "cniPoolSize", "networkMode"];
const WORKER = [
  ...COLLECTION,
  ...NETWORK,
  "apparmor-profile",
  "defaultCgroupParent",
  "enabled",
  "labels",
  "max-parallelism",
  "platforms",
  "rootless",
  "selinux",
  "snapshotter",
];

/** The tables of BuildKit's own configuration and their keys. What is below other keys is not looked at. */
const TABLES: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "",
    [
      "cache",
      "cdi",
      "debug",
      "dns",
      "frontend",
      "grpc",
      "history",
      "insecure-entitlements",
      "log",
      "otel",
      "provenanceEnvDir",
      "proxyNetwork",
      "registry",
      "root",
      "system",
      "trace",
      "worker",
    ],
  ],
  ["cdi", ["autoAllowed", "disabled", "specDirs"]],
  ["dns", ["nameservers", "options", "searchDomains"]],
  ["frontend", ["dockerfile.v0", "gateway.v0"]],
  ["grpc", ["address", "debugAddress", "gid", "securityDescriptor", "tls", "uid"]],
  ["grpc.tls", ["ca", "cert", "key"]],
  ["history", ["maxAge", "maxEntries"]],
  ["log", ["format", "level"]],
  ["otel", ["socketPath"]],
  ["system", ["maxRegistryConcurrency", "platformsCacheMaxAge"]],
  ["worker", ["containerd", "oci"]],
  ["worker.containerd", [...WORKER, "address", "namespace", "runtime"]],
  [
    "worker.oci",
    [...WORKER, "binary", "noProcessSandbox", "proxySnapshotterPath", "stargzSnapshotter", "userRemapUnsupported"],
  ],
]);

/** Returns the keys that BuildKit does not know either, with their tables: `worker.oci.surprise`. */
export function unknownKeys(json: JsonObject): string[] {
  return [...TABLES].flatMap(([table, known]) => {
    const parts = table === "" ? [] : table.split(".");
    const object = parts.reduce((parent, name) => parent.field(name).objectOrEmpty(), json);
    const unknown = [...object.fieldNames()].filter((name) => !known.includes(name));
    return unknown.map((name) => [...parts, name].join("."));
  });
}
