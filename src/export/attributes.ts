import { type LayerCompression, VarveError, parseGoBool } from "../core/index.ts";
import { type Annotations, parseAnnotations } from "./annotations.ts";

/** The parsed attributes of the image, oci and docker exporters, with BuildKit's names and defaults. */
export interface ImageAttributes {
  readonly names: readonly string[] | "from-result";
  readonly push: boolean;
  readonly pushByDigest: boolean;
  readonly danglingPrefix: string | undefined;
  readonly danglingEmptyOnly: boolean;
  readonly nameCanonical: boolean;
  readonly unpack: boolean;
  readonly store: boolean;
  readonly oci: boolean;
  readonly compression: LayerCompression;
  readonly forceCompression: boolean;
  readonly level: number | undefined;
  /** `prefer-nondist-layers`: layers that the base publishes elsewhere keep their URLs and are not pushed. */
  readonly preferNonDistributable: boolean;
  readonly rewriteTimestamp: boolean;
  readonly epoch: Epoch;
  readonly tar: boolean;
  /** `registry.insecure`: accept any certificate, and plain HTTP if the registry does not support TLS. */
  readonly insecure: boolean;
  readonly annotations: Annotations;
  /** The form of attestation manifests. */
  readonly ociArtifact: boolean;
  /** Whether attestations for images only are written. The default depends on the exporter. */
  readonly attestationInline: boolean | undefined;
  /** Image configs as JSON that replace those of the result, by platform (`linux/amd64`); `""` is for all others. */
  readonly configs: ReadonlyMap<string, string>;
}

/** `unset` means the build's epoch; `none` is an explicit empty value. Seconds since 1970. */
export type Epoch =
  | { readonly kind: "unset" }
  | { readonly kind: "none" }
  | { readonly kind: "seconds"; readonly seconds: number };

export type Attributes = Readonly<Record<string, string>>;

/**
 * Parses a boolean as Go's `ParseBool` does. With `emptyIsTrue`, an empty value is true.
 * @throws {VarveError} `invalid-argument` for another value.
 */
export function booleanAttribute(attrs: Attributes, key: string, fallback: boolean, emptyIsTrue = true): boolean {
  const value = Object.hasOwn(attrs, key) ? attrs[key] : undefined;
  if (value === undefined) return fallback;
  const parsed = value === "" && emptyIsTrue ? true : parseGoBool(value);
  if (parsed !== undefined) return parsed;
  throw new VarveError(
    "invalid-argument",
    `Cannot read output attribute: non-bool value specified for ${key}: ${JSON.stringify(value)}`,
  );
}

/**
 * Parses an attribute or build argument in seconds since 1970.
 * @throws {VarveError} `invalid-argument` for another value.
 */
export function parseEpoch(value: string | undefined): Epoch {
  if (value === undefined) return { kind: "unset" };
  if (value === "") return { kind: "none" };
  if (!/^-?\d{1,15}$/.test(value)) {
    throw new VarveError(
      "invalid-argument",
      `Cannot read SOURCE_DATE_EPOCH ${JSON.stringify(value)}: not a whole number of seconds`,
    );
  }
  return { kind: "seconds", seconds: Number(value) };
}

function compressionOf(attrs: Attributes): LayerCompression {
  const value = attrs["compression"] ?? "gzip";
  if (value === "gzip" || value === "zstd" || value === "uncompressed" || value === "estargz") return value;
  throw new VarveError("invalid-argument", `Cannot export with compression=${value}: unsupported compression type`);
}

function levelOf(attrs: Attributes, compression: LayerCompression): number | undefined {
  const value = attrs["compression-level"];
  if (value === undefined) return undefined;
  const [level, most] = [Number(value), compression === "zstd" ? 22 : 9];
  if (/^\d{1,3}$/.test(value) && level <= most) return level;
  throw new VarveError(
    "invalid-argument",
    `Cannot export with compression-level=${value}: ${compression} takes 0 to ${most}`,
  );
}

const CONFIG = "containerimage.config";

function configsOf(attrs: Attributes): ReadonlyMap<string, string> {
  const found = Object.entries(attrs).filter(([key]) => key === CONFIG || key.startsWith(`${CONFIG}/`));
  return new Map(found.map(([key, value]) => [key.slice(CONFIG.length + 1), value]));
}

/**
 * Parses attributes such as `{ name: "app:1", push: "true" }`. Unknown attributes are ignored, as in BuildKit.
 * @throws {VarveError} `invalid-argument` for a wrong value, or for attributes that conflict.
 */
export function parseImageAttributes(attrs: Attributes): ImageAttributes {
  const compression = compressionOf(attrs);
  const name = attrs["name"] ?? "";
  const oci = booleanAttribute(attrs, "oci-mediatypes", true, false);
  const parsed: ImageAttributes = {
    names: name === "*" ? "from-result" : name.split(",").filter((part) => part !== ""),
    push: booleanAttribute(attrs, "push", false),
    pushByDigest: booleanAttribute(attrs, "push-by-digest", false),
    danglingPrefix: attrs["dangling-name-prefix"],
    danglingEmptyOnly: booleanAttribute(attrs, "danging-name-empty-only", false),
    nameCanonical: booleanAttribute(attrs, "name-canonical", false),
    unpack: booleanAttribute(attrs, "unpack", false),
    store: booleanAttribute(attrs, "store", true),
    oci,
    compression,
    forceCompression: booleanAttribute(attrs, "force-compression", false),
    level: levelOf(attrs, compression),
    preferNonDistributable: booleanAttribute(attrs, "prefer-nondist-layers", false),
    rewriteTimestamp: booleanAttribute(attrs, "rewrite-timestamp", false, false),
    epoch: parseEpoch(attrs["source-date-epoch"]),
    tar: booleanAttribute(attrs, "tar", true),
    insecure: booleanAttribute(attrs, "registry.insecure", false),
    annotations: parseAnnotations(attrs),
    ociArtifact: booleanAttribute(attrs, "oci-artifact", oci),
    attestationInline: Object.hasOwn(attrs, "attestation-inline")
      ? booleanAttribute(attrs, "attestation-inline", true)
      : undefined,
    configs: configsOf(attrs),
  };
  if (parsed.ociArtifact && !oci)
    throw new VarveError(
      "invalid-argument",
      'Cannot export image: exporter option "oci-artifact=true" conflicts with "oci-mediatypes=false"',
    );
  if (compression === "estargz" && !parsed.oci) {
    throw new VarveError(
      "invalid-argument",
      'Cannot export image: exporter option "compression=estargz" conflicts with "oci-mediatypes=false"',
    );
  }
  if (parsed.unpack && parsed.rewriteTimestamp) {
    throw new VarveError(
      "invalid-argument",
      'Cannot export image: exporter option "rewrite-timestamp" conflicts with "unpack"',
    );
  }
  return parsed;
}
