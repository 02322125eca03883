import {
  type LayerCompression,
  type Reference,
  VarveError,
  digestOf,
  goJson,
  parseGoBool,
  parseReference,
  withDefaultTag,
} from "../../core/index.ts";
import type { ContainerForm } from "../document/container.ts";

export type Attributes = Readonly<Record<string, string>>;

/** How new layers of an export are compressed, and whether old ones are compressed anew. */
export interface ExportCompression {
  readonly compression: LayerCompression;
  readonly force: boolean;
  readonly level: number | undefined;
}

interface CommonAttributes {
  readonly mode: "min" | "max";
  readonly ignoreError: boolean;
  /** `on-failure`: a build that fails exports what succeeded of it. */
  readonly onFailure: boolean;
}

/** What a document's container looks like: `containerForm` makes one word of it. */
export interface ContainerAttributes {
  readonly ociMediaTypes: boolean;
  readonly imageManifest: boolean;
}

interface DocumentAttributes extends CommonAttributes {
  readonly container: ContainerAttributes;
  readonly compression: ExportCompression;
  /** Whose records these are in a document that several write to; undefined: the build's own, see `defaultScope`. */
  readonly scope: string | undefined;
  /** Nothing of what others have written stays. */
  readonly reset: boolean;
}

export interface RegistryExport extends DocumentAttributes {
  readonly type: "registry";
  readonly reference: Reference;
  /** `registry.insecure`: any certificate, and plain HTTP. */
  readonly insecure: boolean;
}

export interface LocalExport extends DocumentAttributes {
  readonly type: "local";
  readonly directory: string;
  readonly tag: string;
}

/** Always min mode: see the export of an image. */
export interface InlineExport extends CommonAttributes {
  readonly type: "inline";
}

/** A cache export as a user asks for it, read. */
export type CacheExport = RegistryExport | LocalExport | InlineExport;

/** Characters. */
const MAX_SCOPE = 256;
const COMPRESSIONS: ReadonlySet<string> = new Set([
  "uncompressed",
  "gzip",
  "estargz",
  "zstd",
] satisfies LayerCompression[]);

function refuse(why: string): never {
  throw new VarveError("invalid-argument", `Cannot export cache: ${why}`);
}

function valueOf(attrs: Attributes, key: string): string | undefined {
  return Object.hasOwn(attrs, key) ? attrs[key] : undefined;
}

function boolean(attrs: Attributes, key: string, fallback: boolean): boolean {
  const text = valueOf(attrs, key);
  if (text === undefined) return fallback;
  return parseGoBool(text) ?? refuse(`failed to parse ${key}: ${JSON.stringify(text)} is not a boolean`);
}

function compressionOf(attrs: Attributes): ExportCompression {
  const compression = valueOf(attrs, "compression") ?? "gzip";
  if (!COMPRESSIONS.has(compression)) refuse(`unsupported compression type ${compression}`);
  const force = valueOf(attrs, "force-compression");
  const level = valueOf(attrs, "compression-level");
  if (level !== undefined && !/^[+-]?\d{1,9}$/.test(level))
    refuse(`non-int value ${level} specified for compression-level`);
  return {
    compression: compression as LayerCompression,
    force: force === "" || boolean(attrs, "force-compression", false),
    level: level === undefined ? undefined : Number(level),
  };
}

/** Empty: none is named. */
function scopeOf(attrs: Attributes): string | undefined {
  const scope = valueOf(attrs, "scope") ?? "";
  if (scope.length > MAX_SCOPE) refuse(`its scope is longer than ${MAX_SCOPE} characters`);
  return scope === "" ? undefined : scope;
}

function documentOf(attrs: Attributes): DocumentAttributes {
  const ociMediaTypes = boolean(attrs, "oci-mediatypes", true);
  return {
    ...commonOf(attrs),
    container: { ociMediaTypes, imageManifest: boolean(attrs, "image-manifest", ociMediaTypes) },
    compression: compressionOf(attrs),
    scope: scopeOf(attrs),
    reset: boolean(attrs, "reset", false),
  };
}

function commonOf(attrs: Attributes): CommonAttributes {
  return {
    mode: valueOf(attrs, "mode") === "max" ? "max" : "min",
    ignoreError: parseGoBool(valueOf(attrs, "ignore-error") ?? "") ?? false,
    onFailure: boolean(attrs, "on-failure", true),
  };
}

/**
 * Reads the attributes of one cache export; BuildKit's names, defaults and words. Unknown attributes are ignored. Throws
 * `invalid-argument` for a value that is wrong, `unsupported` for a type that is not there.
 */
export function parseCacheExport(type: string, attrs: Attributes): CacheExport {
  switch (type) {
    case "registry": {
      const ref = valueOf(attrs, "ref") ?? "";
      if (ref === "") refuse("missing ref");
      const reference = withDefaultTag(parseReference(ref));
      if (reference.digest !== undefined) refuse(`${ref} names a digest: a cache is written to a tag`);
      return { type, ...documentOf(attrs), reference, insecure: boolean(attrs, "registry.insecure", false) };
    }
    case "local": {
      const directory = valueOf(attrs, "dest") ?? "";
      if (directory === "") refuse("local cache exporter requires dest");
      return { type, ...documentOf(attrs), directory, tag: valueOf(attrs, "tag") ?? "latest" };
    }
    case "inline":
      return { type, ...commonOf(attrs) };
    default:
      throw new VarveError("unsupported", `Cannot export cache: unknown cache exporter: ${JSON.stringify(type)}`);
  }
}

/** One export, as a user asks for it. */
export interface CacheExportEntry {
  readonly type: string;
  readonly attrs: Attributes;
}

/**
 * Reads the attributes of all cache exports of a build. Of several `inline` ones the first counts. Throws as
 * `parseCacheExport`, and `invalid-argument` for two that would write to the same place.
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
  const names = duplicates.map(({ type, attrs }) => JSON.stringify({ type, attrs: Object.fromEntries(sorted(attrs)) }));
  if (names.length > 0) refuse(`duplicate cache exports [${names.join(" ")}]`);
  return [...exports.values()];
}

/** Two exports of one name are duplicates. A directory may be written to under several tags. */
function targetName(parsed: CacheExport, { attrs }: CacheExportEntry): string {
  switch (parsed.type) {
    case "registry": {
      const { registry, repository, tag, digest } = parsed.reference;
      return JSON.stringify(["registry", registry, repository, tag, digest]);
    }
    case "local":
      return JSON.stringify(["local", sorted(attrs)]);
    case "inline":
      return "inline";
  }
}

function sorted(attrs: Attributes): [string, string][] {
  return Object.entries(attrs).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What tells one build from another where both write to the same document. */
export interface ScopeFacts {
  readonly dockerfile: string;
  readonly target: string | undefined;
  /** In their normalised form, in any order. */
  readonly platforms: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** The scope of a build that names none: a digest, so that no value of a build argument stands in a document. */
export function defaultScope({ dockerfile, target, platforms, buildArgs }: ScopeFacts): string {
  return digestOf(goJson([dockerfile, target ?? null, [...platforms].sort(), sorted(buildArgs)]));
}

/** Throws `invalid-argument` for the one combination that does not exist. BuildKit tells of it when the build is done. */
export function containerForm({ ociMediaTypes, imageManifest }: ContainerAttributes): ContainerForm {
  if (ociMediaTypes) return imageManifest ? "manifest" : "oci-index";
  if (!imageManifest) return "docker-list";
  refuse("invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache format");
}
