import { digestAlgorithm, digestHex, isDigest, parseReference, type OrderedJson } from "../../core/index.ts";
import { type PurlOptions, imagePurl } from "../purl.ts";
import type { Capture } from "./capture.ts";
import type { GitMaterial } from "./material.ts";

/** A material as provenance names it. */
export interface Resource {
  readonly uri: string;
  /** Hexadecimal digests by algorithm. */
  readonly digest: Readonly<Record<string, string>>;
}

/** Returns the materials of a build: images, blobs, repositories, downloads. Directories of the client have no name and no digest. */
export function resourcesOf(capture: Capture): Resource[] {
  return [
    ...capture.images.map(({ reference, platform, digest, isLayout }) => ({
      uri: purlOf(reference, { type: typeOf(isLayout), platform }),
      digest: digestSet(digest),
    })),
    ...capture.of("blob").map(({ reference, digest, isLayout }) => ({
      uri: purlOf(reference, { type: typeOf(isLayout), qualifiers: { ref_type: "blob" } }),
      digest: digestSet(digest),
    })),
    ...capture.of("git").flatMap(gitResources),
    ...capture.of("http").map(({ url, digest }) => ({ uri: url, digest: digestSet(digest) })),
  ];
}

/** Returns the digests of a commit: SHA-1 or SHA-256, by its length. */
export function commitDigest(commit: string): Record<string, string> {
  return commit.length === 64 ? { sha256: commit } : { sha1: commit };
}

export function digestSet(digest: string): Record<string, string> {
  return isDigest(digest) ? { [digestAlgorithm(digest)]: digestHex(digest) } : {};
}

export function resourceJson({ uri, digest }: Resource): OrderedJson {
  return { uri, digest };
}

function gitResources({ url, commit, bundle }: GitMaterial): Resource[] {
  const repository = { uri: url, digest: commitDigest(commit) };
  const [, scheme, reference, digest] = /^([a-z+-]+):\/\/(.+)@([^@]+)$/s.exec(bundle ?? "") ?? [];
  if (scheme === undefined || reference === undefined || digest === undefined) return [repository];
  const options: PurlOptions = {
    type: typeOf(scheme.startsWith("oci-layout")),
    qualifiers: { ref_type: "bundle", vcs_url: url },
  };
  return [repository, { uri: purlOf(reference, options), digest: digestSet(digest) }];
}

function typeOf(isLayout: boolean): "docker" | "oci" {
  return isLayout ? "oci" : "docker";
}

/** The name of an OCI layout may be no reference. */
function purlOf(text: string, options: PurlOptions): string {
  try {
    return imagePurl(parseReference(text), options);
  } catch {
    return `pkg:${options.type ?? "docker"}/${encodeURIComponent(text)}`;
  }
}
