import type { RequestTrace } from "../../../engine/index.ts";
import type { StatementSubject } from "../../../export/index.ts";
import type { CompileResult } from "../../../frontend/index.ts";
import { type Platform, formatWholePlatform, normalizePlatform, platformToJson } from "../../../core/index.ts";
import type { Edge } from "../../../llb/index.ts";
import type { VertexSources } from "./sources.ts";

/** A filesystem of a result. It is solved when somebody needs its files. */
export interface ResultRef {
  /** Undefined for an empty filesystem. */
  readonly edge: Edge | undefined;
  /** The positions of its vertices in the files that they were compiled from. */
  readonly sources: VertexSources;
  /** The request that made it. Absent: a client that makes its graphs itself. */
  readonly trace?: RequestTrace | undefined;
}

/** An attestation that a front end returns: a file with a predicate, or a directory of statements. */
export interface ResultAttestation {
  readonly kind: "file" | "bundle";
  readonly ref: ResultRef | undefined;
  readonly path: string;
  readonly predicateType: string;
  readonly inlineOnly: boolean;
  /** The name without extension of the file that describes the result itself. */
  readonly coreName: string | undefined;
  readonly subjects: readonly StatementSubject[];
}

/** Attestations by the id of their platform. */
export type ResultAttestations = ReadonlyMap<string, readonly ResultAttestation[]>;

/** What a front end returns: a filesystem, or one for each platform, and metadata such as image configs. */
export interface FrontendResult {
  readonly refs:
    | { readonly kind: "single"; readonly ref: ResultRef | undefined }
    | { readonly kind: "map"; readonly refs: ReadonlyMap<string, ResultRef> };
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly attestations?: ResultAttestations | undefined;
  /** What SBOMs describe besides the results, by the id of the platform and by name, if no generator has described it. */
  readonly scans?: ReadonlyMap<string, ReadonlyMap<string, ResultRef>> | undefined;
}

/** Keys of a result's metadata. Those of one platform end in `/` and the platform's id. */
export const ResultKey = {
  config: "containerimage.config",
  baseConfig: "containerimage.base.config",
  epoch: "source.date.epoch",
  imageName: "image.name",
  platforms: "refs.platforms",
} as const;

/** Returns all filesystems of a result, in the order of its map. */
export function refsOf({ refs }: FrontendResult): readonly (ResultRef | undefined)[] {
  return refs.kind === "single" ? [refs.ref] : [...refs.refs.values()];
}

/** Returns the id of a platform in a result: `linux/arm64`. */
function platformId(platform: Platform): string {
  return formatWholePlatform(normalizePlatform(platform));
}

/** Converts compiled Dockerfiles, one for each platform, and their graphs to a result as BuildKit's front end returns it. */
export function resultOfCompiled(
  compiled: readonly CompileResult[],
  { multi, refs: given }: { readonly multi: boolean; readonly refs: readonly ResultRef[] },
): FrontendResult {
  const metadata = new Map<string, Uint8Array>();
  const refs = new Map<string, ResultRef>();
  const platforms = compiled.map((each, index) => {
    const platform = normalizePlatform(each.platform);
    const id = platformId(platform);
    const suffix = multi ? `/${id}` : "";
    metadata.set(ResultKey.config + suffix, json(each.image));
    if (each.baseImage !== undefined) metadata.set(ResultKey.baseConfig + suffix, json(each.baseImage));
    if (each.epoch !== undefined) metadata.set(ResultKey.epoch + suffix, Buffer.from(String(each.epoch)));
    const ref = given[index];
    if (ref !== undefined) refs.set(id, ref);
    return { ID: id, Platform: platformToJson(platform) };
  });
  metadata.set(ResultKey.platforms, json({ Platforms: platforms }));
  const [only] = refs.values();
  return { refs: multi ? { kind: "map", refs } : { kind: "single", ref: only }, metadata };
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
