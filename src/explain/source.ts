import type { InputFacts } from "./facts.ts";

/** A source as it is shown: what the Dockerfile names, and which version of it was used. */
export interface ShownSource {
  readonly name: string;
  readonly version: string;
}

const IMAGE = /^(?:docker-image|oci-layout)(?:\+blob)?:\/\/([^@]+)(?:@(.+))?$/;

/** Returns the name and the version of a source. Without a digest in its identifier, the version is the commit, or else the key. */
export function shownSource({
  source = "",
  keys,
  version,
}: Pick<InputFacts, "source" | "keys" | "version">): ShownSource {
  const [first = ""] = keys;
  const key = version ?? first;
  const [, reference, digest = key] = IMAGE.exec(source) ?? [];
  if (reference !== undefined) return { name: `base image ${familiar(reference)}`, version: digest };
  if (source.startsWith("git://")) return { name: `repository ${source.slice("git://".length)}`, version: key };
  return { name: source, version: key };
}

function familiar(reference: string): string {
  return reference.replace(/^docker\.io\/(library\/)?/, "");
}
