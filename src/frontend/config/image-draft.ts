import {
  type Digest,
  type EnvVariable,
  type Platform,
  VarveError,
  indexEnv,
  normalizePlatform,
  setEnvEntries,
} from "../../core/index.ts";
import {
  type ContainerConfig,
  type HistoryEntry,
  type ImageConfig,
  DEFAULT_PATH,
  readImageConfig,
} from "../../image/index.ts";

const PLAIN_FIELDS = [
  "User",
  "Env",
  "Entrypoint",
  "Cmd",
  "WorkingDir",
  "StopSignal",
  "ArgsEscaped",
  "OnBuild",
  "Shell",
] as const;

const HEALTHCHECK_FIELDS = ["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;
const HISTORY_FIELDS = ["created", "created_by", "author", "comment", "empty_layer"] as const;

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** A mutable `ContainerConfig` with plain objects for sets and maps, and only the fields that BuildKit's front end keeps. */
export interface ConfigDraft extends Draft<Pick<ContainerConfig, (typeof PLAIN_FIELDS)[number] | "Healthcheck">> {
  ExposedPorts?: Record<string, Record<string, never>>;
  Volumes?: Record<string, Record<string, never>>;
  Labels?: Record<string, string>;
}

/**
 * The image config of a stage while its instructions change it, with the fields that BuildKit's front end keeps. Its JSON is an
 * image config. Lists and maps in `config` may be shared with other drafts: change them only by `addLabels`, `addMembers` and `setEnv`, or
 * replace them. The exporter sets the time of history entries that have none.
 */
export interface ImageDraft extends Draft<Omit<ImageConfig, "config" | "created" | "history" | "rootfs" | "unknown">> {
  created?: string;
  config: ConfigDraft;
  /** `diff_ids` is null without layers, as Go encodes a nil slice. */
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly Digest[] | null };
  history: HistoryEntry[];
}

type Filled<T> = { [K in keyof T]: NonNullable<T[K]> };

/** Returns the given fields that are not null, undefined, false, zero or empty text, as Go's `omitempty` does. */
function present<T extends object, K extends keyof T>(value: T, keys: readonly K[]): Partial<Filled<Pick<T, K>>> {
  const kept: Partial<Filled<Pick<T, K>>> = {};
  for (const key of keys) {
    const field = value[key];
    if (isPresent(field)) kept[key] = field;
  }
  return kept;
}

function isPresent<T>(value: T): value is NonNullable<T> {
  return Boolean(value);
}

/** Returns an object with null prototype, because its keys come from outside. */
function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const result: Record<string, T> = Object.create(null);
  for (const [key, value] of entries) result[key] = value;
  return result;
}

function emptySet(names: Iterable<string>): Record<string, Record<string, never>> {
  return record(Array.from(names, (name) => [name, {}]));
}

function draftConfig(config: ContainerConfig): ConfigDraft {
  const { ExposedPorts, Volumes, Labels, Healthcheck } = config;
  return {
    ...present(config, PLAIN_FIELDS),
    ...(ExposedPorts === undefined ? {} : { ExposedPorts: emptySet(ExposedPorts) }),
    ...(Volumes === undefined ? {} : { Volumes: emptySet(Volumes) }),
    ...(Labels === undefined ? {} : { Labels: record(Labels) }),
    ...(Healthcheck === undefined ? {} : { Healthcheck: present(Healthcheck, HEALTHCHECK_FIELDS) }),
  };
}

function draftImage(image: ImageConfig): ImageDraft {
  return {
    ...present(image, ["created", "author", "os.version", "os.features", "variant"]),
    architecture: image.architecture,
    os: image.os,
    config: draftConfig(image.config ?? {}),
    rootfs: { ...image.rootfs, diff_ids: image.rootfs.diff_ids.length === 0 ? null : image.rootfs.diff_ids },
    history: image.history.map((entry) => present(entry, HISTORY_FIELDS)),
  };
}

/**
 * Parses an image config. Fields that the front end does not keep are dropped.
 * @throws {VarveError} As `readImageConfig`. The message starts with `what`.
 */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageDraft {
  try {
    return draftImage(readImageConfig(bytes));
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    throw new VarveError(error.code, `${what}: ${error.message}`, { cause: error });
  }
}

/** Returns the config of `FROM scratch`. */
export function emptyImage(platform: Platform): ImageDraft {
  return {
    ...platformFields(platform),
    config: { WorkingDir: "/", ...(platform.os === "windows" ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }) },
    rootfs: { type: "layers", diff_ids: null },
    history: [],
  };
}

/** Returns a platform as fields of an image config. */
export function platformFields(
  platform: Platform,
): Pick<ImageDraft, "architecture" | "os" | "os.version" | "os.features" | "variant"> {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.osVersion === undefined ? {} : { "os.version": platform.osVersion }),
    ...(platform.osFeatures === undefined ? {} : { "os.features": [...platform.osFeatures] }),
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  };
}

/** Returns the platform of an image config, or undefined if the config names none. */
export function imagePlatform(image: ImageDraft): Platform | undefined {
  if (image.os === "" || image.architecture === "") return undefined;
  return normalizePlatform({
    os: image.os,
    architecture: image.architecture,
    ...(image.variant === undefined ? {} : { variant: image.variant }),
    ...(image["os.version"] === undefined ? {} : { osVersion: image["os.version"] }),
    ...(image["os.features"] === undefined ? {} : { osFeatures: image["os.features"] }),
  });
}

/** Returns a draft for a stage on this image: a copy without the image's creation time. Both then share their maps and lists. */
export function cloneImage({ created: _created, ...image }: ImageDraft): ImageDraft {
  for (const name of MAPS) owned.delete(image.config[name] ?? {});
  ownEnvs.delete(image.config.Env ?? []);
  return { ...image, config: { ...image.config }, history: [...image.history] };
}

const MAPS = ["Labels", "ExposedPorts", "Volumes"] as const;

/** Maps that belong to one draft only, so that `withEntries` changes them in place. Copying each time would be quadratic. */
const owned = new WeakSet<object>();

/** Returns a map with further entries: the same map if it belongs to one draft only, else a copy. */
function withEntries<T>(
  map: Record<string, T> | undefined,
  entries: Iterable<readonly [string, T]>,
): Record<string, T> {
  const own = map !== undefined && owned.has(map) ? map : record(Object.entries(map ?? {}));
  for (const [key, value] of entries) own[key] = value;
  owned.add(own);
  return own;
}

/** Sets labels of a draft. */
export function addLabels(config: ConfigDraft, labels: Iterable<readonly [key: string, value: string]>): void {
  config.Labels = withEntries(config.Labels, labels);
}

/** Adds members to one of a draft's sets. */
export function addMembers(config: ConfigDraft, name: "ExposedPorts" | "Volumes", members: Iterable<string>): void {
  config[name] = withEntries(
    config[name],
    Array.from(members, (member) => [member, {}] as const),
  );
}

/** Lists of variables that belong to one draft only, with their index, so that `setEnv` changes them in place. */
const ownEnvs = new WeakMap<readonly string[], { readonly entries: string[]; readonly index: Map<string, number> }>();

/** Sets variables of a draft. An existing variable keeps its position; new ones are appended. */
export function setEnv(config: ConfigDraft, variables: Iterable<EnvVariable>): void {
  let own = ownEnvs.get(config.Env ?? []);
  if (own === undefined) {
    const entries = [...(config.Env ?? [])];
    own = { entries, index: indexEnv(entries) };
    ownEnvs.set(entries, own);
  }
  setEnvEntries(own.entries, own.index, variables);
  config.Env = own.entries;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** Returns the draft without empty fields, as Go's `omitempty` encodes a config. */
export function tidyImage(image: ImageDraft): ImageDraft {
  const config = Object.fromEntries(Object.entries(image.config).filter(([, value]) => !isEmpty(value)));
  return { ...image, config };
}
