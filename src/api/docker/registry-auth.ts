import { type CredentialSource, type DockerAuth, credentialOf, staticCredentials } from "../../registry/index.ts";
import { type JsonNode, parseJson } from "../../core/index.ts";

const FIELDS = ["username", "password", "auth", "identitytoken", "registrytoken"] as const;

/** The credentials that a client sends for one registry. `serveraddress` names the registry. */
export interface RegistryAuth extends DockerAuth {
  readonly serveraddress?: string | undefined;
}

/**
 * Decodes JSON in base64 or base64url, padded or not. Returns undefined for anything else, because some clients send
 * malformed headers.
 */
function decode(header: string | undefined): JsonNode | undefined {
  if (header === undefined || header === "") return undefined;
  try {
    return parseJson(Buffer.from(header, "base64"), "credentials");
  } catch {
    return undefined;
  }
}

/** Reads credentials. Ignores fields that are not strings. */
export function authOf(node: JsonNode | undefined): RegistryAuth {
  const fields = fieldsOf(node);
  return Object.fromEntries(
    [...FIELDS, "serveraddress"].flatMap((name) => {
      const field = fields.get(name)?.raw;
      return typeof field === "string" ? [[name, field]] : [];
    }),
  );
}

/** Returns the fields of an object; none if the node is not an object. */
function fieldsOf(node: JsonNode | undefined): ReadonlyMap<string, JsonNode> {
  try {
    return node?.map((item) => item) ?? new Map();
  } catch {
    return new Map();
  }
}

/** Reads `X-Registry-Auth`: the credential for the only registry that a request uses. */
export function requestCredentials(header: string | undefined): CredentialSource {
  const credential = credentialOf(authOf(decode(header)));
  return () => Promise.resolve(credential);
}

/** Reads `X-Registry-Config`: credentials by registry, for the images that a build pulls. */
export function buildCredentials(header: string | undefined): CredentialSource {
  const entries = [...fieldsOf(decode(header))].map(([host, auth]) => [host, credentialOf(authOf(auth))] as const);
  return staticCredentials(entries);
}
