import type { Digest } from "./digest.ts";
import type { PlatformJson } from "./platform.ts";

/** A content descriptor: OCI image specification, descriptor.md. `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Base64 of the content, for small content carried along. */
  readonly data?: string | undefined;
  readonly platform?: PlatformJson | undefined;
  readonly artifactType?: string | undefined;
}

/** Annotation and label keys with a meaning across modules. */
export const Annotation = {
  /** diffID of a layer blob: the digest of its uncompressed tar. */
  uncompressed: "containerd.io/uncompressed",
  /** `containerd.io/distribution.source.<host>` = comma list of repositories that hold the blob. */
  distributionSource: "containerd.io/distribution.source.",
  createdAt: "buildkit/createdat",
  description: "buildkit/description",
  rewrittenTimestamp: "buildkit/rewritten-timestamp",
  /** Of an eStargz layer: digest of its table of contents, and bytes of its uncompressed archive with that table. */
  estargzToc: "containerd.io/snapshot/stargz/toc.digest",
  estargzSize: "io.containers.estargz.uncompressed-size",
  refName: "org.opencontainers.image.ref.name",
  imageCreated: "org.opencontainers.image.created",
  containerdImageName: "io.containerd.image.name",
} as const;

const INTERNAL: ReadonlySet<string> = new Set([Annotation.uncompressed, Annotation.createdAt, Annotation.description]);

/** Returns a descriptor without the annotations that only the store needs. `annotations` is absent if none is left. */
export function withoutInternalAnnotations({ annotations = {}, ...descriptor }: Descriptor): Descriptor {
  const kept = Object.entries(annotations).filter(
    ([key]) => !INTERNAL.has(key) && !key.startsWith(Annotation.distributionSource),
  );
  return kept.length === 0 ? descriptor : { ...descriptor, annotations: Object.fromEntries(kept) };
}

/** The repositories that hold a blob, after its labels: `host/repository`. */
export function distributionSources(labels: Iterable<readonly [key: string, value: string]>): string[] {
  const { distributionSource } = Annotation;
  return Array.from(labels).flatMap(([key, value]) => {
    if (!key.startsWith(distributionSource)) return [];
    const host = key.slice(distributionSource.length);
    return value
      .split(",")
      .filter((repository) => repository !== "")
      .map((repository) => `${host}/${repository}`);
  });
}
