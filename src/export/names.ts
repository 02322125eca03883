import { type Descriptor, type Reference, parseReference, withDefaultTag } from "../core/index.ts";
import type { ImageAttributes } from "./attributes.ts";
import type { ExportSource } from "./types.ts";

/** Returns the image's names: those of the attributes, else the build's, and canonical and dangling names if requested. */
export function imageNames(source: ExportSource, attrs: ImageAttributes, descriptor: Descriptor): Reference[] {
  const requested = requestedNames(source, attrs);
  if (attrs.pushByDigest) return requested;
  const names = requested.map(withDefaultTag);
  const canonical = attrs.nameCanonical
    ? names.map(({ registry, repository }) => ({ registry, repository, digest: descriptor.digest }))
    : [];
  const useDangling = attrs.danglingPrefix !== undefined && (names.length === 0 || !attrs.danglingEmptyOnly);
  const dangling = useDangling ? [{ ...parseReference(attrs.danglingPrefix ?? ""), digest: descriptor.digest }] : [];
  return [...names, ...canonical, ...dangling];
}

/** Returns the names that the attributes give, else those of the build. */
export function requestedNames(source: ExportSource, { names }: ImageAttributes): Reference[] {
  return names === "from-result" || names.length === 0 ? [...source.names] : names.map(parseReference);
}
