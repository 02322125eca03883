import { VarveError, formatPlatform, parsePlatform } from "../core/index.ts";

export const ANNOTATION_KINDS = ["manifest", "index", "manifest-descriptor", "index-descriptor"] as const;
export type AnnotationKind = (typeof ANNOTATION_KINDS)[number];

/** An annotation that the user requested. */
export interface AnnotationEntry {
  /** Where it is written: into a manifest or index, or into the descriptor of one. */
  readonly kind: AnnotationKind;
  /** The platform that it is for, for example `linux/amd64`; all if undefined. */
  readonly platform: string | undefined;
  readonly key: string;
  readonly value: string;
}
export type Annotations = readonly AnnotationEntry[];

const KEY = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(.+)$/s;

/**
 * Parses the attributes `annotation[-TYPE][[PLATFORM]].KEY`: BuildKit's syntax.
 * @throws {VarveError} `invalid-argument` for an unknown type or platform.
 */
export function parseAnnotations(attrs: Readonly<Record<string, string>>): Annotations {
  return Object.entries(attrs).flatMap(([name, value]) => {
    if (!name.startsWith("annotation")) return [];
    const match = KEY.exec(name);
    if (match === null) return [];
    const [, type = "manifest", platform, key = ""] = match;
    const kind = ANNOTATION_KINDS.find((known) => known === type);
    if (kind === undefined)
      throw new VarveError(
        "invalid-argument",
        `Cannot read annotation ${JSON.stringify(name)}: unrecognized annotation type ${type}`,
      );
    return [
      { kind, platform: platform === undefined ? undefined : formatPlatform(parsePlatform(platform)), key, value },
    ];
  });
}

/**
 * Converts an annotation of `docker buildx build --annotation` to exporter attributes. The key may begin with the kinds that the
 * annotation is for, as in `manifest,index[linux/amd64]:KEY`.
 *
 * @example
 * annotationAttributes("index:org.example.team", "build"); // [["annotation-index.org.example.team", "build"]]
 */
export function annotationAttributes(text: string, value: string): [name: string, value: string][] {
  const [, kinds = "manifest", key = text] =
    /^([a-z-]+(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):(.+)$/s.exec(text) ?? [];
  const all = kinds.split(",");
  const known = all.every((kind) => ANNOTATION_KINDS.some((name) => name === kind.replace(/\[.*$/, "")));
  return known ? all.map((kind) => [`annotation-${kind}.${key}`, value]) : [[`annotation.${text}`, value]];
}

/** Returns the annotations of one kind for one platform: first those for all platforms, then those for this one. */
export function annotationsFor(
  all: Annotations,
  kind: AnnotationKind,
  platform: string | undefined,
): Readonly<Record<string, string>> {
  const general = all.filter(
    (entry) => entry.kind === kind && (entry.platform === undefined || kind.startsWith("index")),
  );
  const special =
    platform === undefined ? [] : all.filter((entry) => entry.kind === kind && entry.platform === platform);
  return Object.fromEntries([...general, ...special].map((entry) => [entry.key, entry.value]));
}

/**
 * Checks that an export can write all annotations.
 * @throws {VarveError} `invalid-argument` for index annotations without an index, for annotations that Docker's media types do
 * not support, and for platforms that are not exported.
 */
export function checkAnnotations(
  all: Annotations,
  { platforms, index, oci }: { readonly platforms: readonly string[]; readonly index: boolean; readonly oci: boolean },
): void {
  for (const { kind, platform } of all) {
    if (!index && kind.startsWith("index")) {
      throw new VarveError(
        "invalid-argument",
        "Cannot export image: index annotations not supported for single platform export",
      );
    }
    if (!oci && kind !== "manifest") {
      throw new VarveError("invalid-argument", `Cannot export image: ${kind} annotations need oci-mediatypes=true`);
    }
    if (platform !== undefined && !platforms.includes(platform)) {
      throw new VarveError(
        "invalid-argument",
        `Cannot export image: invalid annotation: no platform ${platform} found in source`,
      );
    }
  }
}
