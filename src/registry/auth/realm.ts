import { VarveError } from "../../core/index.ts";
import type { Challenge } from "./challenge.ts";
import { isLoopback } from "../../http/index.ts";

/**
 * The token server that a Bearer challenge names. It may be on any host: distribution's token authentication lets the registry
 * choose. Throws `remote` unless it is an HTTP URL without user name and password.
 */
export function realmOf(challenge: Challenge, registry: string): URL {
  const text = challenge.parameters.get("realm") ?? "";
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = realm?.protocol === "https:" || realm?.protocol === "http:";
  if (realm === undefined || !isHttp || realm.username !== "" || realm.password !== "")
    throw new VarveError("remote", `Cannot log in to registry ${registry}: it names no usable token server`);
  realm.hash = "";
  return realm;
}

export interface SecretPath {
  readonly realm: URL;
  /** A URL of the registry that names the realm. */
  readonly registry: URL;
  /** True if the configuration allows a host without TLS. */
  readonly isPlain: (host: string) => boolean;
}

/**
 * True if a password or an identity token may go to a token server: over TLS to any; without TLS only for a registry that is
 * itself reached without it, to the same machine as the registry, to this machine, or to a host that is configured so.
 */
export function maySendSecret({ realm, registry, isPlain }: SecretPath): boolean {
  if (realm.protocol === "https:") return true;
  if (registry.protocol === "https:") return false;
  return realm.hostname === registry.hostname || isLoopback(realm.hostname) || isPlain(realm.host);
}
