import { z } from "zod";
import { Limits, type Platform, VarveError, normalizePlatform } from "../core/index.ts";

/** `config` of an image config: OCI image specification, config.md, with Docker's additions. Durations in nanoseconds. */
export interface ContainerConfig {
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Volumes?: Record<string, Record<string, never>>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  ArgsEscaped?: boolean;
  Healthcheck?: HealthcheckConfig;
  OnBuild?: string[];
  Shell?: string[];
}

export interface HealthcheckConfig {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export interface HistoryEntry {
  /** RFC 3339; absent: the exporter fills it in. */
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** An image config with the fields BuildKit's front end keeps. Lists and maps in `config` are replaced, never changed. */
export interface ImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  "os.version"?: string;
  "os.features"?: string[];
  variant?: string;
  config: ContainerConfig;
  rootfs: { type: string; diff_ids: string[] };
  history: HistoryEntry[];
}

const text = z.string().nullish();
const texts = z.array(z.string()).nullish();
const set = z.record(z.string(), z.unknown()).nullish();
const whole = z.number().int().nullish();

const schema = z.object({
  created: text,
  author: text,
  architecture: text,
  os: text,
  "os.version": text,
  "os.features": texts,
  variant: text,
  config: z
    .object({
      User: text,
      ExposedPorts: set,
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      Volumes: set,
      WorkingDir: text,
      Labels: z.record(z.string(), z.string()).nullish(),
      StopSignal: text,
      ArgsEscaped: z.boolean().nullish(),
      Healthcheck: z
        .object({
          Test: texts,
          Interval: whole,
          Timeout: whole,
          StartPeriod: whole,
          StartInterval: whole,
          Retries: whole,
        })
        .nullish(),
      OnBuild: texts,
      Shell: texts,
    })
    .nullish(),
  rootfs: z.object({ type: text, diff_ids: texts }).nullish(),
  history: z
    .array(
      z.object({
        created: text,
        created_by: text,
        author: text,
        comment: text,
        empty_layer: z.boolean().nullish(),
      }),
    )
    .nullish(),
});

type Filled<T> = { [K in keyof T]: NonNullable<T[K]> };

/** Without fields that are null, undefined, false, zero or empty text: what Go's `omitempty` leaves out. */
function present<T extends object>(value: T): Partial<Filled<T>> {
  const kept = Object.entries(value).filter(([, field]) => Boolean(field));
  return Object.fromEntries(kept) as Partial<Filled<T>>;
}

/** A map with null prototype: its keys come from outside. */
function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const result = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) result[key] = value;
  return result;
}

function isThere<T>(value: T): value is NonNullable<T> {
  return value !== null && value !== undefined;
}

function emptySet(names: Readonly<Record<string, unknown>>): Record<string, Record<string, never>> {
  return record(Object.keys(names).map((name) => [name, {}]));
}

type Raw = z.infer<typeof schema>;

function readConfig({
  ExposedPorts,
  Volumes,
  Labels,
  Healthcheck,
  ...rest
}: NonNullable<Raw["config"]>): ContainerConfig {
  return {
    ...present(rest),
    ...(isThere(ExposedPorts) ? { ExposedPorts: emptySet(ExposedPorts) } : {}),
    ...(isThere(Volumes) ? { Volumes: emptySet(Volumes) } : {}),
    ...(isThere(Labels) ? { Labels: record(Object.entries(Labels)) } : {}),
    ...(isThere(Healthcheck) ? { Healthcheck: present(Healthcheck) } : {}),
  };
}

function readImage({ config, rootfs, history, architecture, os, ...rest }: Raw): ImageConfig {
  return {
    ...present(rest),
    architecture: architecture ?? "",
    os: os ?? "",
    config: readConfig(config ?? {}),
    rootfs: { type: rootfs?.type ?? "", diff_ids: rootfs?.diff_ids ?? [] },
    history: (history ?? []).map((entry) => present(entry)),
  };
}

/** Reads an image config; throws `corrupt` if it is none, naming `what`. Fields it does not know are dropped. */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  if (bytes.byteLength > Limits.config)
    throw new VarveError(
      "limit-exceeded",
      `Cannot read image config of ${what}: it is larger than ${Limits.config} bytes`,
    );
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new VarveError("corrupt", `Cannot read image config of ${what}: it is not JSON`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return readImage(parsed.data);
  const [issue] = parsed.error.issues;
  const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
  throw new VarveError("corrupt", `Cannot read image config of ${what}: ${where}`, { cause: parsed.error });
}

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What `FROM scratch` begins with. */
export function emptyImage(platform: Platform): ImageConfig {
  return {
    ...platformFields(platform),
    config: { WorkingDir: "/", ...(platform.os === "windows" ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }) },
    rootfs: { type: "layers", diff_ids: [] },
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
  return { ...image, config: { ...image.config }, history: [...image.history] };
}

/** Sets entries of one of the config's maps, which is made if it is not there. */
export function addEntries<T>(
  map: Record<string, T> | undefined,
  entries: Iterable<readonly [string, T]>,
): Record<string, T> {
  return record([...Object.entries(map ?? {}), ...entries]);
}

/** Replaces the variable in place, or appends it. */
export function setEnv(env: readonly string[], key: string, value: string): string[] {
  const entry = `${key}=${value}`;
  const index = env.findIndex((existing) => existing === key || existing.startsWith(`${key}=`));
  return index < 0 ? [...env, entry] : env.with(index, entry);
}

/** Splits `KEY=value`; a variable without `=` is empty. */
export function splitEnv(entry: string): [key: string, value: string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
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
