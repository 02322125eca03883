import { type CredentialSource, type DockerAuth, credentialOf, staticCredentials } from "../../registry/index.ts";
import { type JsonNode, parseJson } from "../../core/index.ts";

const FIELDS = ["username", "password", "auth", "identitytoken", "registrytoken"] as const;

/** One entry of what a client knows of registries; `serveraddress` says of which it is, if it says. */
export interface RegistryAuth extends DockerAuth {
  readonly serveraddress?: string | undefined;
}

/** Base64 of JSON, in either alphabet, padded or not; undefined for anything else: clients send such headers by mistake. */
function decode(header: string | undefined): JsonNode | undefined {
  if (header === undefined || header === "") return undefined;
  try {
    return parseJson(Buffer.from(header, "base64"), "credentials");
  } catch {
    return undefined;
  }
}

/** The fields that are strings; others are left out. */
export function authOf(node: JsonNode | undefined): RegistryAuth {
  const fields = fieldsOf(node);
  return Object.fromEntries(
    [...FIELDS, "serveraddress"].flatMap((name) => {
      const field = fields.get(name)?.raw;
      return typeof field === "string" ? [[name, field]] : [];
    }),
  );
}

/** The fields of an object; none for anything else. */
function fieldsOf(node: JsonNode | undefined): ReadonlyMap<string, JsonNode> {
  try {
    return node?.map((item) => item) ?? new Map();
  } catch {
    return new Map();
  }
}

/** `X-Registry-Auth`: the credential for the one registry a request is about. */
export function requestCredentials(header: string | undefined): CredentialSource {
  const credential = credentialOf(authOf(decode(header)));
  return () => Promise.resolve(credential);
}

/** `X-Registry-Config`: credentials by registry, for the images a build pulls. */
export function buildCredentials(header: string | undefined): CredentialSource {
  const entries = [...fieldsOf(decode(header))].map(([host, auth]) => [host, credentialOf(authOf(auth))] as const);
  return staticCredentials(entries);
}
