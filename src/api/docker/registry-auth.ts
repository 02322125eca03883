import {
  ANONYMOUS,
  type CredentialSource,
  type DockerAuth,
  credentialOf,
  staticCredentials,
} from "../../registry/index.ts";
import { isRecord } from "./query.ts";

const FIELDS = ["username", "password", "auth", "identitytoken", "registrytoken"] as const;

/** One entry of what a client knows of registries; `serveraddress` says of which it is, if it says. */
export interface RegistryAuth extends DockerAuth {
  readonly serveraddress?: string | undefined;
}

/** Base64 of JSON, in either alphabet, padded or not; undefined for what is none: clients send rubbish and mean nothing by it. */
function decode(header: string | undefined): unknown {
  if (header === undefined || header === "") return undefined;
  try {
    return JSON.parse(Buffer.from(header, "base64").toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/** The fields that are texts; others are left out. */
export function authOf(value: unknown): RegistryAuth {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    [...FIELDS, "serveraddress"].flatMap((name) => {
      const field = Object.hasOwn(value, name) ? value[name] : undefined;
      return typeof field === "string" ? [[name, field]] : [];
    }),
  );
}

/** `X-Registry-Auth`: the credential for the one registry a request is about. */
export function requestCredentials(header: string | undefined): CredentialSource {
  const credential = credentialOf(authOf(decode(header)));
  return () => Promise.resolve(credential);
}

/** `X-Registry-Config`: credentials by registry, for the images a build pulls. */
export function buildCredentials(header: string | undefined): CredentialSource {
  const config = decode(header);
  if (!isRecord(config)) return () => Promise.resolve(ANONYMOUS);
  return staticCredentials(Object.entries(config).map(([host, auth]) => [host, credentialOf(authOf(auth))] as const));
}
