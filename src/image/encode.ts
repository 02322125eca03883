import {
  type Descriptor,
  type JsonValue,
  type OrderedJson,
  type PlatformJson,
  compareBytes,
  goJson,
  goJsonIndented,
  sortKeys,
} from "../core/index.ts";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig, Index, Manifest } from "./types.ts";

type Json = { readonly [key: string]: OrderedJson };

/** Returns undefined for false, zero and empty values, as Go's `omitempty` does. */
function nonEmpty<T extends OrderedJson>(value: T): T | undefined {
  if (value === "" || value === false || value === 0 || value === null) return undefined;
  return Array.isArray(value) && value.length === 0 ? undefined : value;
}

/** In byte order of the keys, as Go writes a map. */
function fromMap(map: ReadonlyMap<string, JsonValue> | undefined): OrderedJson {
  return map === undefined || map.size === 0 ? undefined : sortKeys(Object.fromEntries(map));
}

function fromKeys(keys: ReadonlySet<string> | undefined): OrderedJson {
  return keys === undefined ? undefined : fromMap(new Map(Array.from(keys, (key) => [key, {}])));
}

function healthcheck(check: Healthcheck | undefined): Json | undefined {
  if (check === undefined) return undefined;
  return {
    Test: nonEmpty(check.Test),
    Interval: nonEmpty(check.Interval),
    Timeout: nonEmpty(check.Timeout),
    StartPeriod: nonEmpty(check.StartPeriod),
    StartInterval: nonEmpty(check.StartInterval),
    Retries: nonEmpty(check.Retries),
  };
}

/**
 * The fields in the order of the structs they come from: the OCI image specification's, then the Docker specification's
 * extension, both as BuildKit's front end writes them; then the rest of Docker's container config; then unknown ones.
 */
function containerConfig(config: ContainerConfig): Json {
  return {
    User: nonEmpty(config.User),
    ExposedPorts: fromKeys(config.ExposedPorts),
    Env: nonEmpty(config.Env),
    Entrypoint: nonEmpty(config.Entrypoint),
    Cmd: nonEmpty(config.Cmd),
    Volumes: fromKeys(config.Volumes),
    WorkingDir: nonEmpty(config.WorkingDir),
    Labels: fromMap(config.Labels),
    StopSignal: nonEmpty(config.StopSignal),
    ArgsEscaped: nonEmpty(config.ArgsEscaped),
    Healthcheck: healthcheck(config.Healthcheck),
    OnBuild: nonEmpty(config.OnBuild),
    Shell: nonEmpty(config.Shell),
    Hostname: nonEmpty(config.Hostname),
    Domainname: nonEmpty(config.Domainname),
    AttachStdin: nonEmpty(config.AttachStdin),
    AttachStdout: nonEmpty(config.AttachStdout),
    AttachStderr: nonEmpty(config.AttachStderr),
    Tty: nonEmpty(config.Tty),
    OpenStdin: nonEmpty(config.OpenStdin),
    StdinOnce: nonEmpty(config.StdinOnce),
    Image: nonEmpty(config.Image),
    NetworkDisabled: nonEmpty(config.NetworkDisabled),
    MacAddress: nonEmpty(config.MacAddress),
    StopTimeout: config.StopTimeout,
    ...Object.fromEntries(config.unknown ?? []),
  };
}

function historyEntry(entry: HistoryEntry): Json {
  return {
    created: entry.created,
    created_by: nonEmpty(entry.created_by),
    author: nonEmpty(entry.author),
    comment: nonEmpty(entry.comment),
    empty_layer: nonEmpty(entry.empty_layer),
  };
}

/** Returns a container config as JSON, with the order of fields of an image config. */
export function encodeContainerConfig(config: ContainerConfig): string {
  return goJson(containerConfig(config));
}

/** Returns null for an empty list, as Go writes a nil slice. */
function listOrNull(items: readonly OrderedJson[]): OrderedJson {
  return items.length === 0 ? null : items;
}

/**
 * Returns the bytes of an image config as BuildKit writes them: compact, with sorted top-level fields, other fields in the order of
 * their Go structs, and null for empty lists. Unknown fields are kept.
 */
export function encodeImageConfig(image: ImageConfig): Buffer {
  const fields = new Map<string, OrderedJson>([
    ...(image.unknown ?? []),
    ["created", image.created],
    ["author", nonEmpty(image.author)],
    ["architecture", image.architecture],
    ["os", image.os],
    ["variant", nonEmpty(image.variant)],
    ["os.version", nonEmpty(image["os.version"])],
    ["os.features", nonEmpty(image["os.features"])],
    ["config", image.config === undefined ? undefined : containerConfig(image.config)],
    ["rootfs", { type: image.rootfs.type, diff_ids: listOrNull(image.rootfs.diff_ids) }],
    ["history", listOrNull(image.history.map(historyEntry))],
  ]);
  const sorted = [...fields].sort(([a], [b]) => compareBytes(a, b));
  return Buffer.from(goJson(new Map(sorted)));
}

function platform(json: PlatformJson): Json {
  return {
    architecture: json.architecture,
    os: json.os,
    "os.version": nonEmpty(json["os.version"]),
    "os.features": nonEmpty(json["os.features"]),
    variant: nonEmpty(json.variant),
  };
}

function annotations(record: Readonly<Record<string, string>> | undefined): OrderedJson {
  return record === undefined ? undefined : fromMap(new Map(Object.entries(record)));
}

/** A descriptor as Go writes one: fields in the specification's order, annotations sorted, empty ones left out. */
export function descriptorJson(descriptor: Descriptor): Json {
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    urls: nonEmpty(descriptor.urls),
    annotations: annotations(descriptor.annotations),
    data: nonEmpty(descriptor.data),
    platform: descriptor.platform === undefined ? undefined : platform(descriptor.platform),
    artifactType: nonEmpty(descriptor.artifactType),
  };
}

/** A descriptor as compact JSON. */
export function encodeDescriptor(descriptor: Descriptor): string {
  return goJson(descriptorJson(descriptor));
}

/** The fields of a manifest or an index in the order in which BuildKit writes them. */
export function manifestJson(document: Manifest | Index): Json {
  const parts: Json =
    document.kind === "manifest"
      ? { config: descriptorJson(document.config), layers: listOrNull(document.layers.map(descriptorJson)) }
      : { manifests: listOrNull(document.manifests.map(descriptorJson)) };
  return {
    schemaVersion: 2,
    mediaType: document.mediaType,
    artifactType: nonEmpty(document.artifactType),
    ...parts,
    subject: document.subject === undefined ? undefined : descriptorJson(document.subject),
    annotations: annotations(document.annotations),
  };
}

/** Returns the bytes of a manifest or an index as BuildKit writes them: indented by two spaces, with null for empty lists. */
export function encodeManifest(document: Manifest | Index): Buffer {
  return Buffer.from(goJsonIndented(manifestJson(document)));
}
