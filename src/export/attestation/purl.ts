import { type Platform, type Reference, familiarReference, formatPlatform, withDefaultTag } from "../../core/index.ts";

/** Returns the package URL of an image for a platform, for example `pkg:docker/team/app@1?platform=linux%2Famd64`. */
export function imagePurl(reference: Reference, platform: Platform): string {
  const { tag = "latest" } = withDefaultTag(reference);
  const name = familiarReference({ registry: reference.registry, repository: reference.repository });
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `pkg:docker/${path}@${encodeURIComponent(tag)}?platform=${encodeURIComponent(formatPlatform(platform))}`;
}
