import {
  type LayerCompression,
  type Reference,
  VarveError,
  digestOf,
  goJson,
  parseGoBool,
  parseGoDuration,
  parseReference,
  withDefaultTag,
} from "../../core/index.ts";
import type { CloudCache, CloudType } from "../objects/cloud-cache.ts";
import { isCloudType, parseCloudCache } from "../objects/cloud-types.ts";
import type { KeyPlaces } from "../signing/keys.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import type { ContainerForm } from "../document/container.ts";
import { DEFAULT_GRACE } from "./layout-collect.ts";

/** The attributes of a cache export, as the user gave them: `ref`, `mode`, … */
export type Attributes = Readonly<Record<string, string>>;

/** How layers are compressed. `force` also recompresses existing layers. `level` is undefined for the default. */
export interface ExportCompression {
  readonly compression: LayerCompression;
  readonly force: boolean;
  readonly level: number | undefined;
}

interface CommonAttributes {
  readonly mode: "min" | "max";
  /** `ignore-error`: a failed export is a warning. Unlike in BuildKit, it is the default. */
  readonly ignoreError: boolean;
  /** `on-failure`: a build that fails exports the steps that have succeeded. */
  readonly onFailure: boolean;
}

/** The attributes that decide about the form of a document; see `containerForm`. */
export interface ContainerAttributes {
  readonly ociMediaTypes: boolean;
  readonly imageManifest: boolean;
}

interface DocumentAttributes extends CommonAttributes {
  readonly container: ContainerAttributes;
  readonly compression: ExportCompression;
  /** Identifies the records of this build in a document with several writers. Undefined: see `defaultScope`. */
  readonly scope: string | undefined;
  /** True: the records of all other writers are removed. */
  readonly reset: boolean;
  /** `gc`: milliseconds after which blobs are removed that no record needs any more. Undefined (`off`): they stay. */
  readonly grace: number | undefined;
  /** Where the key is that signs the document. */
  readonly sign: string | undefined;
  /** Signs the document. `parseCacheExport` reads no keys; see `signedExport`. */
  readonly signer?: DocumentSigner | undefined;
  /** True: what steps have made is also exported while the build runs. Only with mode `max`. */
  readonly eager: boolean;
  /** Whether the document says what the keys of its records are made of. */
  readonly explain: boolean;
}

/** An export to a tag in a registry. */
export interface RegistryExport extends DocumentAttributes {
  readonly type: "registry";
  readonly reference: Reference;
  /** `registry.insecure`: accept any certificate, and plain HTTP. */
  readonly insecure: boolean;
}

/** An export to an OCI layout directory. */
export interface LocalExport extends DocumentAttributes {
  readonly type: "local";
  readonly directory: string;
  readonly tag: string;
}

/** An export into the config of the image. Its records are always those of min mode. */
export interface InlineExport extends CommonAttributes {
  readonly type: "inline";
}

/** An export to a store in a cloud. */
export interface CloudExport extends DocumentAttributes {
  readonly type: CloudType;
  readonly cache: CloudCache;
}

/** A cache export with parsed attributes. */
export type CacheExport = RegistryExport | LocalExport | InlineExport | CloudExport;

/** Maximum length of a scope, in characters. */
const MAX_SCOPE = 256;
const COMPRESSIONS: readonly LayerCompression[] = ["uncompressed", "gzip", "estargz", "zstd"];

function invalid(why: string): never {
  throw new VarveError("invalid-argument", `Cannot export cache: ${why}`);
}

function valueOf(attrs: Attributes, key: string): string | undefined {
  return Object.hasOwn(attrs, key) ? attrs[key] : undefined;
}

function boolean(attrs: Attributes, key: string, fallback: boolean): boolean {
  const text = valueOf(attrs, key);
  if (text === undefined) return fallback;
  return parseGoBool(text) ?? invalid(`failed to parse ${key}: ${JSON.stringify(text)} is not a boolean`);
}

function compressionOf(attrs: Attributes): ExportCompression {
  const name = valueOf(attrs, "compression") ?? "gzip";
  const compression = COMPRESSIONS.find((known) => known === name) ?? invalid(`unsupported compression type ${name}`);
  const force = valueOf(attrs, "force-compression");
  const level = valueOf(attrs, "compression-level");
  if (level !== undefined && !/^[+-]?\d{1,9}$/.test(level))
    invalid(`non-int value ${level} specified for compression-level`);
  return {
    compression,
    force: force === "" || boolean(attrs, "force-compression", false),
    level: level === undefined ? undefined : Number(level),
  };
}

/** An empty scope is the same as none. */
function scopeOf(attrs: Attributes): string | undefined {
  const scope = valueOf(attrs, "scope") ?? "";
  if (scope.length > MAX_SCOPE) invalid(`its scope is longer than ${MAX_SCOPE} characters`);
  return scope === "" ? undefined : scope;
}

/** What attributes are by default, depending on the place. */
interface PlaceDefaults {
  /** Writing costs next to nothing, so that `eager` is the default. */
  readonly isCheap: boolean;
  /** See `DocumentAttributes`. */
  readonly grace: number | undefined;
}

const IN_DIRECTORIES: PlaceDefaults = { isCheap: true, grace: DEFAULT_GRACE };
/** A repository may have images that are known by their digests only. */
const IN_REGISTRIES: PlaceDefaults = { isCheap: false, grace: undefined };
/** A day: blobs that writers rely on are touched after half of it, which should be rare. */
const IN_CLOUDS: PlaceDefaults = { isCheap: false, grace: 86_400_000 };

function documentOf(attrs: Attributes, { isCheap, grace }: PlaceDefaults): DocumentAttributes {
  const ociMediaTypes = boolean(attrs, "oci-mediatypes", true);
  const common = commonOf(attrs);
  const eager = boolean(attrs, "eager", isCheap && common.mode === "max");
  if (eager && common.mode !== "max")
    invalid("eager=true needs mode=max: which layers mode=min has is known at the end");
  return {
    ...common,
    eager,
    container: { ociMediaTypes, imageManifest: boolean(attrs, "image-manifest", ociMediaTypes) },
    compression: compressionOf(attrs),
    scope: scopeOf(attrs),
    sign: valueOf(attrs, "sign"),
    reset: boolean(attrs, "reset", false),
    grace: graceOf(attrs, grace),
    explain: boolean(attrs, "explain", true),
  };
}

/** Reads `gc`: `off`, or for how long blobs stay that no record needs any more. */
function graceOf(attrs: Attributes, usual: number | undefined): number | undefined {
  const text = valueOf(attrs, "gc") ?? "";
  if (text === "off") return undefined;
  return text === "" ? usual : Math.max(0, parseGoDuration(text) / 1e6);
}

function commonOf(attrs: Attributes): CommonAttributes {
  return {
    mode: valueOf(attrs, "mode") === "max" ? "max" : "min",
    ignoreError: parseGoBool(valueOf(attrs, "ignore-error") ?? "") ?? true,
    onFailure: boolean(attrs, "on-failure", true),
  };
}

/**
 * Parses the attributes of one cache export, with BuildKit's names, defaults and messages. Unknown attributes are ignored.
 *
 * @throws {VarveError} `invalid-argument` for an invalid value; `unsupported` for an unknown type.
 * @example
 * parseCacheExport("registry", { ref: "registry.example/app:cache", mode: "max" });
 */
export function parseCacheExport(type: string, attrs: Attributes): CacheExport {
  switch (type) {
    case "registry": {
      const ref = valueOf(attrs, "ref") ?? "";
      if (ref === "") invalid("missing ref");
      const reference = withDefaultTag(parseReference(ref));
      if (reference.digest !== undefined) invalid(`${ref} has a digest, but a cache is written to a tag`);
      return {
        type,
        ...documentOf(attrs, IN_REGISTRIES),
        reference,
        insecure: boolean(attrs, "registry.insecure", false),
      };
    }
    case "local": {
      const directory = valueOf(attrs, "dest") ?? "";
      if (directory === "") invalid("local cache exporter requires dest");
      const document = documentOf(attrs, IN_DIRECTORIES);
      return { type, ...document, directory, tag: valueOf(attrs, "tag") ?? "latest" };
    }
    case "inline":
      if (valueOf(attrs, "sign") !== undefined) invalid("a cache in an image is not signed by itself: sign the image");
      return { type, ...commonOf(attrs) };
    default:
      if (isCloudType(type)) return cloudExport(type, attrs);
      throw new VarveError("unsupported", `Cannot export cache: unknown cache exporter: ${JSON.stringify(type)}`);
  }
}

/** The `scope` of gha is the name of the document, in which builds have their scopes as usual. */
function cloudExport(type: CloudType, attrs: Attributes): CloudExport {
  const document = documentOf(attrs, IN_CLOUDS);
  const scope = type === "gha" ? undefined : document.scope;
  return { type, ...document, scope, cache: parseCloudCache(type, attrs) };
}

/** One cache export, as the user gave it. */
export interface CacheExportEntry {
  readonly type: string;
  readonly attrs: Attributes;
}

/**
 * Parses the attributes of all cache exports of a build. If there are several `inline` exports, the first is used.
 *
 * @throws {VarveError} `invalid-argument` for two exports that would write to the same place; otherwise as `parseCacheExport`.
 */
export function parseCacheExports(entries: readonly CacheExportEntry[]): CacheExport[] {
  const exports = new Map<string, CacheExport>();
  const duplicates: CacheExportEntry[] = [];
  for (const entry of entries) {
    const parsed = parseCacheExport(entry.type, entry.attrs);
    const name = targetName(parsed, entry);
    if (!exports.has(name)) exports.set(name, parsed);
    else if (parsed.type !== "inline") duplicates.push(entry);
  }
  const names = duplicates.map(({ type, attrs }) =>
    JSON.stringify({ type, attrs: Object.fromEntries(sortedEntries(attrs).filter(([key]) => key !== "sign")) }),
  );
  if (names.length > 0) invalid(`duplicate cache exports [${names.join(" ")}]`);
  return [...exports.values()];
}

/**
 * Returns an export with what signs it, if it has the attribute `sign`.
 *
 * @throws {VarveError} `invalid-argument` for a key that cannot be used.
 */
export async function signedExport<T extends CacheExport>(parsed: T, places: KeyPlaces): Promise<T> {
  if (parsed.type === "inline" || parsed.sign === undefined) return parsed;
  const { signerOf } = await import("../signing/trust.ts");
  const { sign, scope = "" } = parsed;
  return { ...parsed, signer: await signerOf({ type: parsed.type, attrs: { sign, scope } }, places) };
}

/** Two exports with the same target name are duplicates. A directory may be written to with several tags. */
function targetName(parsed: CacheExport, { attrs }: CacheExportEntry): string {
  switch (parsed.type) {
    case "registry": {
      const { registry, repository, tag, digest } = parsed.reference;
      return JSON.stringify(["registry", registry, repository, tag, digest]);
    }
    case "local":
      return JSON.stringify(["local", sortedEntries(attrs)]);
    case "inline":
      return "inline";
    default:
      return parsed.cache.documents;
  }
}

function sortedEntries(attrs: Attributes): [string, string][] {
  return Object.entries(attrs).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What distinguishes builds that write to the same document. */
export interface ScopeFacts {
  readonly dockerfile: string;
  readonly target: string | undefined;
  /** Normalised, in any order. */
  readonly platforms: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** Returns the scope of a build for which the user gave none. It is a digest, so that documents contain no values of build arguments. */
export function defaultScope({ dockerfile, target, platforms, buildArgs }: ScopeFacts): string {
  return digestOf(goJson([dockerfile, target ?? null, [...platforms].sort(), sortedEntries(buildArgs)]));
}

/**
 * Returns the form of a document. BuildKit reports the error only after the build.
 *
 * @throws {VarveError} `invalid-argument` for the combination that does not exist.
 */
export function containerForm({ ociMediaTypes, imageManifest }: ContainerAttributes): ContainerForm {
  if (ociMediaTypes) return imageManifest ? "manifest" : "oci-index";
  if (!imageManifest) return "docker-list";
  invalid("invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache format");
}
