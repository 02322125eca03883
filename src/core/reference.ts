import { type Digest, isDigest } from "./digest.ts";
import { VarveError } from "./error.ts";

/**
 * An image reference in normalised form, by the grammar of `github.com/distribution/reference`: `alpine` is
 * `docker.io/library/alpine`. `registry` is a host with an optional port; `repository` the path without it.
 */
export interface Reference {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

export const DEFAULT_REGISTRY = "docker.io";
const MAX_NAME = 255;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const DOMAIN =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const ID = /^[0-9a-f]{64}$/;

function invalidReference(text: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot read image reference ${JSON.stringify(text.slice(0, 300))}: ${why}`);
}

function splitDomain(name: string): [registry: string, path: string] {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain =
    first !== "" &&
    (first.includes(".") || first.includes(":") || first === "localhost" || first.toLowerCase() !== first);
  const registry = isDomain ? first : DEFAULT_REGISTRY;
  const path = isDomain ? name.slice(slash + 1) : name;
  if (registry === "index.docker.io") return splitDomain(`docker.io/${path}`);
  return [registry, registry === DEFAULT_REGISTRY && !path.includes("/") ? `library/${path}` : path];
}

/**
 * Reads a reference as a user writes it. Adds no tag.
 *
 * @throws {VarveError} `invalid-argument` that names the wrong part.
 *
 * @example
 * parseReference("alpine:3.20"); // { registry: "docker.io", repository: "library/alpine", tag: "3.20" }
 */
export function parseReference(text: string): Reference {
  if (text === "") invalidReference(text, "it is empty");
  if (ID.test(text)) invalidReference(text, "a bare image id is not a name");
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) invalidReference(text, "its digest is not sha256:<64 hex>");
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) invalidReference(text, `its tag ${JSON.stringify(tag)} is not valid`);
  const [registry, repository] = splitDomain(hasTag ? named.slice(0, colon) : named);
  if (!DOMAIN.test(registry)) invalidReference(text, `its registry ${JSON.stringify(registry)} is not a host`);
  if (repository !== repository.toLowerCase()) invalidReference(text, "its repository must be lower case");
  if (!PATH.test(repository)) invalidReference(text, `its repository ${JSON.stringify(repository)} is not valid`);
  if (registry.length + repository.length + 1 > MAX_NAME)
    invalidReference(text, `its name is longer than ${MAX_NAME} characters`);
  return {
    registry,
    repository,
    tag,
    digest: digest,
  };
}

/** Returns the reference with tag `latest` if it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: "latest" } : reference;
}

/** The whole, normalised form: `docker.io/library/alpine:3.20`. */
export function formatReference(reference: Reference): string {
  const name = `${reference.registry}/${reference.repository}`;
  return `${name}${reference.tag === undefined ? "" : `:${reference.tag}`}${reference.digest === undefined ? "" : `@${reference.digest}`}`;
}

/** The short form people write: `alpine:3.20`. */
export function familiarReference(reference: Reference): string {
  const full = formatReference(reference);
  if (reference.registry !== DEFAULT_REGISTRY) return full;
  const path = full.slice(DEFAULT_REGISTRY.length + 1);
  return path.startsWith("library/") && !path.slice("library/".length).includes("/")
    ? path.slice("library/".length)
    : path;
}
