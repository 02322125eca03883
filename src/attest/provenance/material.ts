import { type Platform, formatReference, parseReference, withDefaultTag } from "../../core/index.ts";
import { type SourceOp, type Vertex, gitSourceOf, localSourceOf } from "../../llb/index.ts";
import { redactCredentials } from "../redact.ts";

/** Something that a build was made from. */
export type Material = ImageMaterial | BlobMaterial | GitMaterial | HttpMaterial | LocalMaterial;

/** An image of a registry, or of an OCI layout. */
export interface ImageMaterial {
  readonly kind: "image";
  /** Normalised. It has a digest if the build named one. */
  readonly reference: string;
  readonly platform?: Platform | undefined;
  /** What the reference meant: the digest of an index or a manifest. */
  readonly digest: string;
  readonly isLayout: boolean;
}

/** A blob of a registry, or of an OCI layout. */
export interface BlobMaterial {
  readonly kind: "blob";
  readonly reference: string;
  readonly digest: string;
  readonly isLayout: boolean;
}

export interface GitMaterial {
  readonly kind: "git";
  /** The remote, and `#` and the ref if there is one. Without credentials. */
  readonly url: string;
  /** Hexadecimal. */
  readonly commit: string;
  /** The blob that holds the repository: `docker-image+blob://app@sha256:…`. */
  readonly bundle?: string | undefined;
}

export interface HttpMaterial {
  readonly kind: "http";
  /** Without credentials. */
  readonly url: string;
  readonly digest: string;
}

/** A directory of the client. Nothing can be said about what was in it. */
export interface LocalMaterial {
  readonly kind: "local";
  readonly name: string;
}

/** Returns what a source is at the time of the build: the digest of an image, blob or file, or the commit of a repository. */
export type PinOf = (vertex: Vertex & { readonly op: SourceOp }) => Promise<string>;

/** Returns the material that a source is; undefined for a source of an unknown kind. `pin` is not called for directories. */
export async function materialOf(
  vertex: Vertex & { readonly op: SourceOp },
  pin: PinOf,
): Promise<Material | undefined> {
  const { op, platform } = vertex;
  const local = localSourceOf(op);
  if (local !== undefined) return { kind: "local", name: local.name };
  const [, scheme = "", rest = ""] = /^([a-z0-9+-]+):\/\/(.*)$/s.exec(op.identifier) ?? [];
  const isLayout = scheme.startsWith("oci-layout");
  switch (scheme) {
    case "docker-image":
    case "oci-layout":
      return { kind: "image", reference: normalized(rest), platform, digest: await pin(vertex), isLayout };
    case "docker-image+blob":
    case "oci-layout+blob":
      return { kind: "blob", reference: normalized(rest), digest: await pin(vertex), isLayout };
    case "http":
    case "https":
      return { kind: "http", url: redactCredentials(op.identifier), digest: await pin(vertex) };
    case "git": {
      const { remote, ref } = gitSourceOf(rest, op.attrs);
      const url = redactCredentials(remote) + (ref === "" ? "" : `#${ref}`);
      return { kind: "git", url, commit: await pin(vertex), bundle: op.attrs.get("git.bundle") || undefined };
    }
    default:
      return undefined;
  }
}

/** Returns a reference in its whole form. The name of an OCI layout that is no valid reference stays as it is. */
export function normalized(reference: string): string {
  try {
    return formatReference(withDefaultTag(parseReference(reference)));
  } catch {
    return reference;
  }
}
