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
  type ContainerConfig as StoredConfig,
  type HistoryEntry,
  type ImageConfig as StoredImage,
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

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** A `ContainerConfig` while instructions change it: plain objects for sets and maps, and just BuildKit's fields. */
export interface ContainerConfig extends Draft<Pick<StoredConfig, (typeof PLAIN_FIELDS)[number] | "Healthcheck">> {
  ExposedPorts?: Record<string, Record<string, never>>;
  Volumes?: Record<string, Record<string, never>>;
  Labels?: Record<string, string>;
}

/**
 * An image config as a stage drafts it, with the fields BuildKit's front end keeps; as JSON it is the config. Lists and maps
 * in `config` are replaced, never changed. An entry of the history without a time gets one from the exporter.
 */
export interface ImageConfig extends Draft<Omit<StoredImage, "config" | "created" | "history" | "rootfs" | "unknown">> {
  created?: string;
  config: ContainerConfig;
  /** Without layers null, as Go writes a list that was never filled. */
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly Digest[] | null };
  history: HistoryEntry[];
}

type Filled<T> = { [K in keyof T]: NonNullable<T[K]> };

/** Without fields that are null, undefined, false, zero or empty text: what Go's `omitempty` leaves out. */
function present<T extends object>(value: T): Partial<Filled<T>> {
  const kept = Object.entries(value).filter(([, field]) => Boolean(field));
  return Object.fromEntries(kept) as Partial<Filled<T>>;
}

function pick<T extends object, K extends keyof T>(value: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<T, K>;
}

/** A map with null prototype: its keys come from outside. */
function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const result = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) result[key] = value;
  return result;
}

function emptySet(names: Iterable<string>): Record<string, Record<string, never>> {
  return record(Array.from(names, (name) => [name, {}]));
}

function draftConfig(config: StoredConfig): ContainerConfig {
  const { ExposedPorts, Volumes, Labels, Healthcheck } = config;
  return {
    ...present(pick(config, PLAIN_FIELDS)),
    ...(ExposedPorts === undefined ? {} : { ExposedPorts: emptySet(ExposedPorts) }),
    ...(Volumes === undefined ? {} : { Volumes: emptySet(Volumes) }),
    ...(Labels === undefined ? {} : { Labels: record(Labels) }),
    ...(Healthcheck === undefined ? {} : { Healthcheck: present(Healthcheck) }),
  };
}

function draftImage(image: StoredImage): ImageConfig {
  return {
    ...present(pick(image, ["created", "author", "os.version", "os.features", "variant"])),
    architecture: image.architecture,
    os: image.os,
    config: draftConfig(image.config ?? {}),
    rootfs: { ...image.rootfs, diff_ids: image.rootfs.diff_ids.length === 0 ? null : image.rootfs.diff_ids },
    history: image.history.map((entry) => present(entry)),
  };
}

/** Reads an image config; throws as `readImageConfig`, naming `what`. Fields the front end does not keep are dropped. */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  try {
    return draftImage(readImageConfig(bytes));
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    throw new VarveError(error.code, `${what}: ${error.message}`, { cause: error });
  }
}

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What `FROM scratch` begins with. */
export function emptyImage(platform: Platform): ImageConfig {
  return {
    ...platformFields(platform),
    config: { WorkingDir: "/", ...(platform.os === "windows" ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }) },
    rootfs: { type: "layers", diff_ids: null },
    history: [],
  };
}

/** The platform as an image config's fields. */
export function platformFields(
  platform: Platform,
): Pick<ImageConfig, "architecture" | "os" | "os.version" | "os.features" | "variant"> {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.osVersion === undefined ? {} : { "os.version": platform.osVersion }),
    ...(platform.osFeatures === undefined ? {} : { "os.features": [...platform.osFeatures] }),
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  };
}

/** The platform an image says it is for; undefined if it does not say. */
export function imagePlatform(image: ImageConfig): Platform | undefined {
  if (image.os === "" || image.architecture === "") return undefined;
  return normalizePlatform({
    os: image.os,
    architecture: image.architecture,
    ...(image.variant === undefined ? {} : { variant: image.variant }),
    ...(image["os.version"] === undefined ? {} : { osVersion: image["os.version"] }),
    ...(image["os.features"] === undefined ? {} : { osFeatures: image["os.features"] }),
  });
}

/** A copy that can be changed, without the time the image was created: what a stage starts from. */
export function cloneImage({ created: _created, ...image }: ImageConfig): ImageConfig {
  for (const name of MAPS) owned.delete(image.config[name] ?? {});
  ownEnvs.delete(image.config.Env ?? []);
  return { ...image, config: { ...image.config }, history: [...image.history] };
}

const MAPS = ["Labels", "ExposedPorts", "Volumes"] as const;
type MapName = (typeof MAPS)[number];

/** Maps that only one config has, so that an entry can be set without a copy of the others. */
const owned = new WeakSet<object>();

/** Sets entries of one of the config's maps, which is made if it is not there. */
export function addEntries<N extends MapName>(
  config: ContainerConfig,
  name: N,
  entries: Iterable<readonly [string, NonNullable<ContainerConfig[N]>[string]]>,
): void {
  const known = config[name];
  const map: Record<string, unknown> =
    known !== undefined && owned.has(known) ? known : record(Object.entries(known ?? {}));
  for (const [key, value] of entries) map[key] = value;
  owned.add(map);
  config[name] = map as ContainerConfig[N];
}

/** Lists of variables that only one config has, with their index, so that one can be set without a copy of the others. */
const ownEnvs = new WeakMap<readonly string[], { readonly entries: string[]; readonly index: Map<string, number> }>();

/** Replaces variables where they stand, or appends them. */
export function setEnv(config: ContainerConfig, variables: Iterable<EnvVariable>): void {
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

/** Without empty fields, as Go's `omitempty` leaves them out when it writes a config. */
export function tidyImage(image: ImageConfig): ImageConfig {
  const config = Object.fromEntries(Object.entries(image.config).filter(([, value]) => !isEmpty(value)));
  return { ...image, config };
}
