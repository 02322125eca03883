import {
  type Platform,
  type Reference,
  familiarReference,
  formatPlatform,
  normalizePlatform,
  withDefaultTag,
} from "../core/index.ts";

/** What a package URL of an image says besides its name. */
export interface PurlOptions {
  /** `oci` for an image in an OCI layout. Default: `docker`. */
  readonly type?: "docker" | "oci" | undefined;
  readonly platform?: Platform | undefined;
  /** Further qualifiers. Their names come after `platform` in byte order. */
  readonly qualifiers?: Readonly<Record<string, string>> | undefined;
}

/**
 * Returns the package URL of an image, for example `pkg:docker/team/app@1?platform=linux%2Famd64`. The digest of a reference is a
 * qualifier. A reference with neither tag nor digest has the tag `latest`.
 */
export function imagePurl(reference: Reference, options: PurlOptions = {}): string {
  const { type = "docker", platform, qualifiers = {} } = options;
  const { registry, repository, tag, digest } = withDefaultTag(reference);
  const path = familiarReference({ registry, repository }).split("/").map(encodeURIComponent).join("/");
  const version = tag === undefined ? "" : `@${encodeURIComponent(tag)}`;
  const query = Object.entries({
    digest,
    platform: platform === undefined ? undefined : formatPlatform(normalizePlatform(platform)),
    ...qualifiers,
  }).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${qualifierText(value)}`]));
  return `pkg:${type}/${path}${version}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

function qualifierText(value: string): string {
  return encodeURIComponent(value).replaceAll("%3A", ":");
}
